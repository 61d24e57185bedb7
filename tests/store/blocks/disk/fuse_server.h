// serve_disk(): a FUSE server of one file, a disk's contents: the loop device above it is a disk with a volatile
// write cache, and each write and flush that reaches it is appended to a log before it is answered. Speaks the protocol
// of <linux/fuse.h>, 7.28 or later, itself: one file that nobody looks up needs no library.
// Threads: one, a process of its own: one that waits for its own disk stands still. Blocks: until it is unmounted.
// Errors: Trouble; to the disk's user EIO when the log is full. Cost: 20 us per request. Lifetime: until unmounted.
#pragma once

#include <tests/store/blocks/disk/disk_log.h>

namespace strandline::testing {

// `connection`: /dev/fuse, mounted.
void serve_disk(int connection, const SharedMemory& disk, DiskLog& log);

}  // namespace strandline::testing
