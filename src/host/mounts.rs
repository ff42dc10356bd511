//! Pure: the lines of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).

/// One mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Major and minor number, as files on it show them.
    pub device: (u32, u32),
    /// Where it is mounted.
    pub point: String,
    /// Its type, such as `ext4`.
    pub fs: String,
    /// What was mounted, such as `/dev/vda`.
    pub source: String,
    /// Options of the mount and of the file system, in the kernel's order.
    pub options: Vec<String>,
}

/// The mount that holds `path`, which is absolute and free of links; where several are mounted
/// over each other it is the last.
pub fn holder(mountinfo: &str, path: &str) -> Option<Mount> {
    let all = mountinfo.lines().filter_map(parse);
    all.filter(|mount| is_below(path, &mount.point))
        .max_by_key(|mount| mount.point.len())
}

fn is_below(path: &str, point: &str) -> bool {
    match path.strip_prefix(point) {
        Some(rest) => rest.is_empty() || rest.starts_with('/') || point == "/",
        None => false,
    }
}

fn parse(line: &str) -> Option<Mount> {
    let (front, back) = line.split_once(" - ")?;
    let front: Vec<&str> = front.split(' ').collect();
    let (major, minor) = front.get(2)?.split_once(':')?;
    let mut back = back.split(' ');
    let fs = back.next()?.to_owned();
    let source = plain(back.next()?);
    let mut options = Vec::new();
    for list in [*front.get(5)?, back.next().unwrap_or_default()] {
        for option in list.split(',').filter(|option| !option.is_empty()) {
            if !options.iter().any(|known| known == option) {
                options.push(option.to_owned());
            }
        }
    }
    Some(Mount {
        device: (major.parse().ok()?, minor.parse().ok()?),
        point: plain(front.get(4)?),
        fs,
        source,
        options,
    })
}

/// The kernel writes white space and backslashes in paths as octal numbers.
fn plain(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).map(|octal| u8::from_str_radix(octal, 8)) {
            Some(Ok(byte)) => {
                plain.push(char::from(byte));
                plain.push_str(&part[3..]);
            }
            _ => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
40 27 8:17 / /mnt/my\\040disk rw,noatime shared:5 - xfs /dev/sdb1 rw,attr2,inode64
41 27 0:50 / /data rw,relatime - btrfs /dev/nvme0n1p2 rw,ssd,subvol=/data
42 41 0:60 / /data rw,relatime - tmpfs tmpfs rw,size=4k
not a mount";

    #[test]
    fn the_longest_mount_point_holds_a_path_and_the_last_of_equals() {
        let holder = |path| holder(TEXT, path).unwrap();
        assert_eq!(holder("/home/x").source, "/dev/vda");
        assert_eq!(holder("/database").fs, "ext4");
        assert_eq!(holder("/data/a").fs, "tmpfs");
        let disk = holder("/mnt/my disk/kafka");
        assert_eq!((disk.device, disk.fs.as_str()), ((8, 17), "xfs"));
        assert_eq!(
            disk.options,
            ["rw", "noatime", "attr2", "inode64"].map(str::to_owned)
        );
    }

    #[test]
    fn what_is_no_mount_is_left_out() {
        assert_eq!(super::holder("", "/x"), None);
        assert_eq!(super::holder("1 2 3", "/x"), None);
        assert_eq!(plain("a\\040b\\134c\\9"), "a b\\c\\9");
    }
}
