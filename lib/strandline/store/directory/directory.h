// Directory: the files of a store: where they are, whose they are, and which of them are entries.
// Threads: thread-safe. Blocks: on the disk. Errors: the system's, with the path; unsupported for a newer store's,
// permission_denied for one that others could change. Cost: finding a key opens up to four files. Lifetime: values.
#pragma once

#include <strandline/store/io/file_system.h>
#include <strandline/store/journal/format.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace strandline::store {

class Directory {
 public:
  // What replaces name_of_key(), in tests of keys that collide.
  using Naming = std::function<std::string(std::string_view)>;

  // Makes the directory if there is none, and a store of it if it is empty; with `must_exist` it makes nothing, and
  // what is no store already is not_found. Refused: a symlink, one that belongs to another user or that others may
  // write to, and one that holds other things.
  [[nodiscard]] static Result<Directory> open(std::shared_ptr<FileSystem> files, std::string path, Naming naming = {},
                                              bool must_exist = false) noexcept;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] const std::shared_ptr<FileSystem>& files() const noexcept { return files_; }
  // Is it still the one that was opened?
  [[nodiscard]] Result<void> check_same() const noexcept;

  // The path of an entry's files, but for their endings.
  [[nodiscard]] std::string entry_path(const std::string& name) const;
  [[nodiscard]] Result<void> make_folder_of(const std::string& name) const noexcept;
  [[nodiscard]] Result<void> make_folder_for(std::string_view key) const noexcept;
  struct Found {
    std::string name;
    bool exists = false;  // else it is free for the key
  };
  [[nodiscard]] Result<Found> find(std::string_view key) const noexcept;
  // The header of an entry's journal. not_found, corrupt.
  [[nodiscard]] Result<JournalHeader> header_of(const std::string& name) const noexcept;
  // Removes an entry's files. Its journal goes first, so that no crash leaves one that speaks of nothing.
  [[nodiscard]] Result<void> remove(const std::string& name) const noexcept;
  // Removes what was to become one of them. Nobody may be making it.
  [[nodiscard]] Result<void> remove_unfinished(const std::string& name) const noexcept;
  // Has it a file, of whatever kind? What cannot be looked at is taken for one.
  [[nodiscard]] bool is_there(const std::string& name) const noexcept;
  // Bytes that an entry's files take on the disk.
  [[nodiscard]] std::uint64_t allocated(const std::string& name) const noexcept;
  // The names of all entries, in order, and of what a crash has left of some; an error of `visit` ends it.
  [[nodiscard]] Result<void> for_each(const std::function<Result<void>(const std::string& name)>& visit) const noexcept;

 private:
  Directory(std::shared_ptr<FileSystem> files, std::string path, Naming naming) noexcept
      : files_(std::move(files)), path_(std::move(path)), naming_(std::move(naming)) {}

  std::shared_ptr<FileSystem> files_;
  std::string path_;
  Naming naming_;
  std::uint64_t device_ = 0, inode_ = 0;  // of the directory; 0: not a real one
};

}  // namespace strandline::store
