// FileOrigin: objects are the regular files below a folder, or of the whole system.
// Threads: thread-safe; replies and sinks are called on threads of its own, which start with the first call. Blocks:
// never; the destructor for as long as the disk does, and never within a callback. Errors: Failure; EIO is not worth
// asking again. Cost: 1 MiB per thread; a read is two opens, then a pread(2) and an fstat(2) per MiB, in turn with the
// other reads; one slowed by max_rate holds no thread. Lifetime: reads go on with the file that they opened.
#pragma once

#include <strandline/origin/origin.h>

namespace strandline::origin {

struct FileOriginOptions {
  // Keys are paths below it, without empty, "." and ".." components: each file has one key. Symbolic links are followed
  // but not out of it (permission_denied); where the kernel has no openat2(2), not at all. Empty: keys are absolute
  // paths, in any spelling, with whatever links.
  std::string root;
  unsigned threads = 2;  // 1 to 64
  // A write that was answered survives a power cut.
  bool durable = false;
};

// What reading promises. The version of a file is its size, its time of change and its inode: a weak validator, for two
// changes may come within one tick of the file system's clock (some ms; Linux 6.13 counts finer for files that
// somebody looks at), and times can be set. After each pread(2), before its bytes are handed on, the version is
// compared with that of the start: so a file that others write to ends a read with `changed`, and no byte of another
// version is handed on as far as the version tells. Who needs more replaces files by renaming, as write() does: a read
// then has all of the old one or all of the new.
//
// Folders, FIFOs, devices and sockets are no objects: not_found, and never waited for. Files that do not say their
// size, such as those of /proc, are unsupported. list() goes by byte order; a page reads the folders on the way to it
// anew, so ask for long ones of large folders. It enters no folder through a link.
//
// A write makes a file ".strandline-*.tmp" beside the object, and the folders it needs, and renames. A process that is
// killed meanwhile leaves that file: it is no key and not listed, but takes up space. Folders stay. `if_absent` holds
// against every process, `if_match` against calls of this FileOrigin only.
class FileOrigin final : public Origin {
 public:
  // not_found, invalid_argument, permission_denied; no_memory.
  [[nodiscard]] static Result<std::unique_ptr<FileOrigin>> open(FileOriginOptions options) noexcept;
  ~FileOrigin() override;

  [[nodiscard]] std::string name() const override;
  void stat(std::string key, Reply<ObjectInfo> reply, std::stop_token stop) noexcept override;
  void read(ReadRequest request, std::shared_ptr<Sink> sink, std::stop_token stop) noexcept override;
  void write(WriteRequest request, Reply<ObjectInfo> reply, std::stop_token stop) noexcept override;
  void remove(std::string key, Reply<void> reply, std::stop_token stop) noexcept override;
  void list(ListRequest request, Reply<ListPage> reply, std::stop_token stop) noexcept override;

 private:
  struct Parts;
  FileOrigin(std::string root, std::unique_ptr<Parts> parts) noexcept;

  const std::string root_;
  const std::unique_ptr<Parts> parts_;
};

}  // namespace strandline::origin
