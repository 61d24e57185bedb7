// SimulatedFiles: a file system in memory that loses power: what was not synced is then dropped, torn or reordered.
// Threads: one. Blocks: never. Errors: those it is told to answer. Cost: a map entry per sector. Lifetime: Files keep
// their contents; those opened before a crash answer io after it.
#pragma once

#include <strandline/store/io/file_system.h>

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace strandline::testing {

// The model, of a file: each sector of 512 bytes keeps what it has held since the last sync of the file that returned;
// a crash leaves it one of those, each sector for itself, and likewise the file's size. So writes are torn, dropped and
// reordered in every way that a disk below a file system may. Of a directory: names change one by one, in order, and a
// crash leaves it as it was after one of the changes since the last sync of the directory.
class SimulatedFiles final : public store::FileSystem {
 public:
  SimulatedFiles();

  Result<std::unique_ptr<store::File>> open(const std::string& path, store::OpenFile how) noexcept override;
  Result<void> rename(const std::string& from, const std::string& to) noexcept override;
  Result<void> remove(const std::string& path) noexcept override;
  Result<void> make_directory(const std::string& path) noexcept override;
  Result<std::vector<std::string>> names_in(const std::string& path) const noexcept override;
  Result<void> sync_directory_of(const std::string& path) noexcept override;
  Result<store::BootId> boot_id() const noexcept override;

  // The process dies within the k-th change from here on (a write is then cut anywhere); all calls fail after that.
  void die_within(std::uint64_t k) noexcept;
  [[nodiscard]] bool dead() const noexcept { return dead_; }
  // Changes since the last die_within().
  [[nodiscard]] std::uint64_t changes() const noexcept { return changes_; }
  // A new process; nothing is lost.
  void restart() noexcept;
  // The power fails, and comes back: the system starts anew.
  void lose_power(std::mt19937_64& random);
  // A copy of all there is, to crash in another way.
  [[nodiscard]] std::shared_ptr<SimulatedFiles> clone() const;

  // As where /proc is hidden.
  bool no_boot_id = false;
  // Every change passes here first; an error is answered instead of making it.
  std::function<Result<void>(const std::string& call, const std::string& path)> fault;

  [[nodiscard]] std::vector<std::string> names() const;
  // The file's bytes, for looking at and changing behind the library's back.
  [[nodiscard]] std::vector<std::byte> contents(const std::string& path) const;
  void set_contents(const std::string& path, const std::vector<std::byte>& bytes);

 private:
  class OpenOne;
  struct Inode;
  using Names = std::map<std::string, std::shared_ptr<Inode>>;

  // True when the change may be made whole; when the process dies in it, `part` of `size` says how much of it is.
  [[nodiscard]] Result<void> change(const char* call, const std::string& path, std::size_t size, std::size_t& part);
  void named();

  std::vector<Names> names_;  // since the last sync of the directory; the last is how it is
  std::uint64_t next_inode_ = 1;
  std::uint64_t boots_ = 1;
  std::uint64_t processes_ = 1;
  std::uint64_t changes_ = 0;
  std::uint64_t dies_at_ = 0;
  bool dead_ = false;
};

}  // namespace strandline::testing
