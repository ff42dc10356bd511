//! Drives: the log on both disks, the machine's and the simulated one.

mod basics;
mod compaction;
mod corners;
mod crash;
mod damage;
mod faults;
mod hot;
mod lifecycle;
<<<<<<< HEAD
mod shortage;
=======
mod lookups;
>>>>>>> ac0fdb4 (log: an index file is believed only as far as its segment agrees)
mod states;
mod story;
mod support;
mod work;
