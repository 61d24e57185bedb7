// BusySystem: the files of a mounted file system as seen by one start of a system that has other things to do: now and
// then, after a call that changes a file, it writes a file's pages back though nobody has asked, or another program
// syncs a file of its own, with which the file system writes down what it knows of all of them.
// Threads: one. Blocks: as the files do. Errors: theirs; of what it does besides in trouble(). Cost: a system call or
// two now and then. Lifetime: as long as the file system is mounted.
#pragma once

#include <tests/store/forwarding_files.h>

#include <random>
#include <string>

namespace strandline::testing {

class BusySystem final : public ForwardingFiles, public std::enable_shared_from_this<BusySystem> {
 public:
  // `boot`: which start of the system this is. `seed`: 0 when it does nothing by itself.
  BusySystem(std::string directory, std::uint64_t boot, std::uint64_t seed);

  Result<std::unique_ptr<store::File>> open(const std::string& path, store::OpenFile how) noexcept override;
  Result<void> rename(const std::string& from, const std::string& to) noexcept override;
  Result<void> remove(const std::string& path) noexcept override;
  Result<store::BootId> boot_id() const noexcept override;

  // What has failed of what it did by itself.
  [[nodiscard]] const std::string& trouble() const noexcept { return trouble_; }

 private:
  class OneFile;
  void work();
  void write_back();
  void sync_another_file();

  const std::string directory_;
  const std::uint64_t boot_;
  std::mt19937_64 random_;
  const bool works_;
  std::string trouble_;
};

}  // namespace strandline::testing
