// Place: the folder below which keys lead to files, or the whole file system; opens what a key names, and never what
// lies outside. Threads: const calls, all at once. Blocks: for as long as the disk does; never on a FIFO or a device.
// Errors: a Failure that names the key. Cost: a path resolution per 4000 bytes of key. Lifetime: holds its folder open,
// by descriptor: it goes on with the same one when that is renamed.
#pragma once

#include <strandline/drivers/file/file_io.h>
#include <strandline/origin/origin.h>

#include <sys/stat.h>

#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace strandline::origin::file {

using strandline::file::FileHandle;

// `what` it was about: "open", and the key.
[[nodiscard]] tl::unexpected<Failure> failed(int errno_value, std::string_view what, std::string_view key) noexcept;
// Of the drivers' file calls.
[[nodiscard]] tl::unexpected<Failure> failed(const Error& error) noexcept;
[[nodiscard]] tl::unexpected<Failure> refused(Errc code, std::string_view why, std::string_view key) noexcept;
// Turns what may be thrown on the way into a Failure.
template <class Call>
[[nodiscard]] auto contained(Call&& call) noexcept -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return refused(Errc::no_memory, {}, {});
  }
}

// The names of unfinished writes, which no key may have.
[[nodiscard]] bool is_temporary(std::string_view name) noexcept;

// How symbolic links in a key are kept inside.
enum class Links : std::uint8_t {
  resolved,  // by openat2(2), Linux 5.6: followed, but not out of the root. Where the kernel lacks it, as `refused`
  refused    // none is followed
};

class Place {
 public:
  // Where root is empty, keys are absolute paths, in whatever spelling, and every link is followed.
  [[nodiscard]] static Outcome<Place> open(const std::string& root, Links links = Links::resolved) noexcept;

  [[nodiscard]] bool whole_system() const noexcept { return !root_; }
  // Is it one that an object can have?
  [[nodiscard]] Outcome<void> check_key(std::string_view key) const noexcept;

  // open(2), with O_CLOEXEC and O_NONBLOCK. A path of checked components; empty: the place itself. Throws bad_alloc.
  [[nodiscard]] Outcome<FileHandle> open_path(std::string_view path, int flags) const;
  // A regular file, to be read, or, with O_PATH, only to be looked at; and what it is. Anything else is not_found, and
  // not opened to find out; so is what cannot be a name. Throws bad_alloc.
  struct Opened {
    FileHandle handle;
    struct ::stat facts {};
  };
  [[nodiscard]] Outcome<Opened> open_object(const std::string& key, int flags) const;
  // The folder of a key, made if need be, and what the key is called in there. Throws bad_alloc.
  struct Named {
    FileHandle folder;  // O_PATH
    std::string name;
  };
  enum class Making : std::uint8_t { no, yes, durable };
  [[nodiscard]] Outcome<Named> folder_of(const std::string& key, Making making) const;

 private:
  Place(FileHandle root, Links links) noexcept : root_(std::move(root)), links_(links) {}
  [[nodiscard]] Outcome<FileHandle> make_folders(std::string_view folder, Making making) const;

  FileHandle root_;  // none: the whole system
  Links links_;
};

// Makes what has been created, renamed or removed in it survive a power cut.
[[nodiscard]] Outcome<void> sync_folder(const FileHandle& folder, std::string_view key) noexcept;
// What tells the versions of a file apart. Weak: two changes within a tick of the file system's clock, or one whose
// writer set the time back, leave size, time and inode as they were. To be asked again each time.
[[nodiscard]] ObjectInfo info_of(const struct ::stat& facts);

}  // namespace strandline::origin::file
