//! Pure: from a folder down to the disk beneath it, as far as the kernel's files tell.

use super::Look;
use super::mounts::{self, Mount};

/// Devices that may lie on each other before the walk gives up.
const DEPTH_MAX: usize = 16;

/// One block device between a file system and the metal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// The kernel's name, such as `nvme0n1`.
    pub name: String,
    /// Its folder in sysfs.
    pub node: String,
    /// Whether it may lose what it has not flushed when power fails; `None` where it does not
    /// say.
    pub volatile_cache: Option<bool>,
    /// Whether single writes can go through its cache.
    pub fua: bool,
    /// Whether it is another machine's idea of a disk.
    pub is_virtual: bool,
    /// What its maker calls it; empty where the kernel does not know.
    pub model: String,
    /// The scheduler in force.
    pub scheduler: String,
    /// Smallest unit that it reads and writes, in bytes.
    pub logical_block_bytes: u32,
    /// Smallest unit that it writes without reading first, in bytes.
    pub physical_block_bytes: u32,
}

/// What lies under a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceFacts {
    /// The folder.
    pub dir: String,
    /// The mount that holds it.
    pub mount: Option<Mount>,
    /// Block devices from the one that is mounted down to the disks.
    pub layers: Vec<Layer>,
    /// Alignment that direct I/O asks for, of memory and of offsets, in bytes; `None` where the
    /// kernel does not say (statx, Linux 6.1).
    pub alignment: Option<(u32, u32)>,
    /// The kernel's release.
    pub kernel: String,
}

/// Looks at what lies under `dir`, which is absolute and free of links.
pub fn facts(look: &dyn Look, dir: &str, alignment: Option<(u32, u32)>) -> DeviceFacts {
    let mountinfo = look.text("/proc/self/mountinfo").unwrap_or_default();
    let mount = mounts::holder(&mountinfo, dir);
    let mut layers = Vec::new();
    if let Some(number) = number_of(look, mount.as_ref(), dir) {
        walk(
            look,
            &format!("/sys/dev/block/{}:{}", number.0, number.1),
            &mut layers,
        );
    }
    DeviceFacts {
        dir: dir.to_owned(),
        mount,
        layers,
        alignment,
        kernel: look.text("/proc/sys/kernel/osrelease").unwrap_or_default(),
    }
}

/// File systems over several devices (btrfs) show numbers that are no device's; what was
/// mounted is one then.
fn number_of(look: &dyn Look, mount: Option<&Mount>, dir: &str) -> Option<(u32, u32)> {
    let own = look.device(dir).or(mount.map(|mount| mount.device));
    match own {
        Some((0, _)) | None => {
            let source = &mount?.source;
            source.starts_with("/dev/").then(|| look.device(source))?
        }
        own => own,
    }
}

fn walk(look: &dyn Look, link: &str, layers: &mut Vec<Layer>) {
    let Some(mut node) = look.real(link) else {
        return;
    };
    if look.text(&format!("{node}/partition")).is_some()
        && let Some((disk, _)) = node.rsplit_once('/')
    {
        node = disk.to_owned();
    }
    if layers.len() >= DEPTH_MAX || layers.iter().any(|known| known.node == node) {
        return;
    }
    layers.push(layer(look, &node));
    for below in look.list(&format!("{node}/slaves")) {
        walk(look, &format!("/sys/class/block/{below}"), layers);
    }
    let backing = look.text(&format!("{node}/loop/backing_file"));
    if let Some((major, minor)) = backing.and_then(|file| look.device(&file)) {
        walk(look, &format!("/sys/dev/block/{major}:{minor}"), layers);
    }
}

fn layer(look: &dyn Look, node: &str) -> Layer {
    let text = |name: &str| look.text(&format!("{node}/{name}"));
    let number = |name: &str| text(name).and_then(|text| text.parse().ok()).unwrap_or(0);
    let model = text("device/model").unwrap_or_default();
    // Some have only a number there.
    let vendor = text("device/vendor").filter(|name| !name.starts_with("0x"));
    let vendor = vendor.unwrap_or_default();
    let driver = look
        .real(&format!("{node}/device/driver"))
        .unwrap_or_default();
    let cache = text("queue/write_cache");
    let scheduler = text("queue/scheduler").unwrap_or_default();
    let chosen = scheduler
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'))
        .map_or(scheduler.as_str(), |(chosen, _)| chosen);
    Layer {
        name: node.rsplit('/').next().unwrap_or_default().to_owned(),
        node: node.to_owned(),
        volatile_cache: match cache.as_deref() {
            Some("write back") => Some(true),
            Some("write through") => Some(false),
            _ => None,
        },
        fua: text("queue/fua").as_deref() == Some("1"),
        is_virtual: is_virtual(&driver, &vendor, &model),
        model: format!("{vendor} {model}").trim().to_owned(),
        scheduler: chosen.to_owned(),
        logical_block_bytes: number("queue/logical_block_size"),
        physical_block_bytes: number("queue/physical_block_size"),
    }
}

fn is_virtual(driver: &str, vendor: &str, model: &str) -> bool {
    const DRIVERS: [&str; 4] = ["virtio_blk", "xen-blkfront", "vbd", "vmw_pvscsi"];
    const MAKERS: [&str; 8] = [
        "QEMU",
        "VBOX",
        "VMware",
        "Virtual",
        "Amazon",
        "Google",
        "Msft",
        "Microsoft",
    ];
    let driver = driver.rsplit('/').next().unwrap_or_default();
    DRIVERS.contains(&driver)
        || MAKERS
            .iter()
            .any(|maker| vendor.contains(maker) || model.contains(maker))
}

// === impl DeviceFacts ===

impl DeviceFacts {
    /// The type of the file system, `?` where it is not known.
    pub fn fs(&self) -> &str {
        self.mount.as_ref().map_or("?", |mount| mount.fs.as_str())
    }

    /// Whether the file system was mounted with `option`.
    pub fn has_option(&self, option: &str) -> bool {
        let options = self.mount.as_ref().map(|mount| &mount.options);
        options.is_some_and(|options| options.iter().any(|known| known == option))
    }

    /// What is mounted: the kernel's name of the device, or else what it was mounted from.
    pub fn name(&self) -> &str {
        match (self.layers.first(), &self.mount) {
            (Some(layer), _) => &layer.name,
            (None, Some(mount)) => &mount.source,
            (None, None) => "?",
        }
    }

    /// The first disk at the bottom, whose queue the tuning is about.
    pub fn disk(&self) -> Option<&Layer> {
        self.layers.last()
    }

    /// Whether an overwrite of bytes that were written before stays in its place and changes
    /// nothing else on disk, so that an entry of the journal takes one write and one flush of the
    /// device.
    pub fn overwrites_in_place(&self) -> bool {
        matches!(self.fs(), "ext4" | "xfs")
            && !self.layers.is_empty()
            && !self.has_option("data=journal")
    }

    /// The options of the mount, with commas.
    pub fn options(&self) -> String {
        let options = self.mount.as_ref().map(|mount| mount.options.join(","));
        options.unwrap_or_default()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Written;
    use super::*;

    /// A host whose `/data` is a file system of this type and options on a device stack.
    pub fn host(fs: &str, options: &str, files: &[(&str, &str)]) -> Written {
        let mut host = Written::default();
        let line = format!("40 27 8:1 / /data rw,noatime - {fs} /dev/sda1 {options}\n");
        host.files.insert("/proc/self/mountinfo".into(), line);
        let release = "7.0.1".to_owned();
        host.files
            .insert("/proc/sys/kernel/osrelease".into(), release);
        for (path, text) in files {
            host.files.insert((*path).into(), (*text).into());
        }
        host.links
            .insert("/sys/dev/block/8:1".into(), "/sys/sda/sda1".into());
        host
    }

    /// One partition of one disk with this write cache.
    pub fn disk(fs: &str, options: &str, cache: &str) -> DeviceFacts {
        let files = [
            ("/sys/sda/sda1/partition", "1"),
            ("/sys/sda/queue/write_cache", cache),
            ("/sys/sda/queue/fua", "1"),
            ("/sys/sda/queue/scheduler", "none [mq-deadline] bfq"),
            ("/sys/sda/queue/logical_block_size", "512"),
            ("/sys/sda/queue/physical_block_size", "4096"),
            ("/sys/sda/device/model", "PM9A3  "),
        ];
        facts(&host(fs, options, &files), "/data/corelane", None)
    }

    #[test]
    fn a_partition_leads_to_its_disk() {
        let facts = disk("ext4", "rw", "write back");
        assert_eq!(facts.layers.len(), 1);
        let layer = facts.disk().unwrap();
        assert_eq!(
            (layer.name.as_str(), layer.model.as_str()),
            ("sda", "PM9A3")
        );
        assert_eq!(layer.volatile_cache, Some(true));
        assert_eq!(layer.scheduler, "mq-deadline");
        assert_eq!(
            (layer.logical_block_bytes, layer.physical_block_bytes),
            (512, 4096)
        );
        assert!(layer.fua && !layer.is_virtual && facts.overwrites_in_place());
        assert!(!disk("ext4", "rw,data=journal", "write back").overwrites_in_place());
        assert!(!disk("btrfs", "rw", "write back").overwrites_in_place());
    }

    #[test]
    fn mapped_devices_and_loops_are_followed_to_the_bottom() {
        let files = [
            ("/sys/dm-0/queue/write_cache", "write back"),
            ("/sys/dm-0/slaves/loop3/x", ""),
            ("/sys/loop3/loop/backing_file", "/images/a.img"),
            ("/sys/loop3/loop/dio", "0"),
            ("/sys/vda/queue/write_cache", "write through"),
        ];
        let mut host = host("xfs", "rw", &files);
        for (from, to) in [
            ("/sys/dev/block/8:1", "/sys/dm-0"),
            ("/sys/class/block/loop3", "/sys/loop3"),
            ("/sys/dev/block/254:0", "/sys/vda"),
            (
                "/sys/vda/device/driver",
                "/sys/bus/virtio/drivers/virtio_blk",
            ),
        ] {
            host.links.insert(from.into(), to.into());
        }
        host.devices.insert("/images/a.img".into(), (254, 0));
        let facts = facts(&host, "/data", None);
        let names: Vec<&str> = facts.layers.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["dm-0", "loop3", "vda"]);
        assert!(facts.layers[2].is_virtual);
        assert_eq!(facts.layers[1].volatile_cache, None);
    }

    #[test]
    fn a_device_on_itself_ends_the_walk_and_no_device_is_no_layer() {
        let mut host = host("ext4", "rw", &[("/sys/dm-0/slaves/dm-0/x", "")]);
        host.links
            .insert("/sys/dev/block/8:1".into(), "/sys/dm-0".into());
        host.links
            .insert("/sys/class/block/dm-0".into(), "/sys/dm-0".into());
        assert_eq!(facts(&host, "/data", None).layers.len(), 1);
        assert!(facts(&host, "/elsewhere", None).layers.is_empty());
        assert!(facts(&Written::default(), "/data", None).mount.is_none());
    }
}
