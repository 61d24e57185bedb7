// MortalFiles: the files of a process that may die while others of the same disk live on.
// Threads: one. Blocks: never. Errors: io for all calls once it is dead. Cost: a virtual call. Lifetime: what it opens
// keeps it.
#pragma once

#include <strandline/store/io/file_system.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace strandline::testing {

class MortalFiles final : public store::FileSystem, public std::enable_shared_from_this<MortalFiles> {
 public:
  explicit MortalFiles(std::shared_ptr<store::FileSystem> disk) : disk_(std::move(disk)) {}

  void die() noexcept {
    if (!std::exchange(dead_, true) && on_death) {
      on_death();
    }
  }
  // In the k-th change from here on, before it or half way through.
  void die_within(unsigned k) noexcept { dies_in_ = k; }
  [[nodiscard]] bool dead() const noexcept { return dead_; }
  std::function<void()> on_death;
  bool fails_next_sync = false;

  Result<std::unique_ptr<store::File>> open(const std::string& path, store::OpenFile how) noexcept override {
    if (how == store::OpenFile::made || how == store::OpenFile::fresh) {
      changing();
    }
    if (dead_) {
      return fail(Errc::io, "dead");
    }
    auto file = disk_->open(path, how);
    if (!file) {
      return file;
    }
    return std::make_unique<MortalFile>(shared_from_this(), std::move(*file));
  }
  Result<void> rename(const std::string& from, const std::string& to) noexcept override {
    return changing() ? disk_->rename(from, to) : died();
  }
  Result<void> remove(const std::string& path) noexcept override { return changing() ? disk_->remove(path) : died(); }
  Result<void> make_directory(const std::string& path) noexcept override {
    return changing() ? disk_->make_directory(path) : died();
  }
  Result<std::vector<std::string>> names_in(const std::string& path) const noexcept override {
    return disk_->names_in(path);
  }
  Result<void> sync_directory_of(const std::string& path) noexcept override {
    return changing() ? disk_->sync_directory_of(path) : died();
  }
  Result<store::BootId> boot_id() const noexcept override { return disk_->boot_id(); }

 private:
  // True when the process lives to make the change.
  bool changing() noexcept {
    if (!dead_ && dies_in_ > 0 && --dies_in_ == 0) {
      die();
    }
    return !dead_;
  }
  static Result<void> died() noexcept { return fail(Errc::io, "dead"); }

  class MortalFile final : public store::File {
   public:
    MortalFile(std::shared_ptr<MortalFiles> files, std::unique_ptr<store::File> file)
        : files_(std::move(files)), file_(std::move(file)) {}
    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const noexcept override {
      return file_->read_at(offset, out);
    }
    Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data) noexcept override {
      const bool was_dead = files_->dead_;
      if (files_->changing()) {
        return file_->write_at(offset, data);
      }
      if (!was_dead && data.size() > 1) {
        static_cast<void>(file_->write_at(offset, data.first(data.size() / 2)));
      }
      return fail(Errc::io, "dead");
    }
    Result<std::uint64_t> size() const noexcept override { return file_->size(); }
    Result<void> set_size(std::uint64_t size) noexcept override {
      return files_->changing() ? file_->set_size(size) : died();
    }
    Result<void> sync() noexcept override {
      if (std::exchange(files_->fails_next_sync, false)) {
        return fail(Errc::io, "sync");
      }
      return files_->changing() ? file_->sync() : died();
    }
    Result<void> punch(ByteRange range) noexcept override { return files_->changing() ? file_->punch(range) : died(); }
    Result<std::optional<ByteRange>> next_data(std::uint64_t from) const noexcept override {
      return file_->next_data(from);
    }
    Result<store::DataIdentity> identity() const noexcept override { return file_->identity(); }
    Result<std::uint64_t> allocated() const noexcept override { return file_->allocated(); }
    Result<bool> has_name() const noexcept override { return file_->has_name(); }
    Result<void> try_hold(ByteRange range, Hold how) noexcept override {
      return files_->dead_ ? died() : file_->try_hold(range, how);
    }
    void let_go(ByteRange range) noexcept override { file_->let_go(range); }
    Result<std::optional<ByteRange>> held_elsewhere(ByteRange range) const noexcept override {
      return file_->held_elsewhere(range);
    }

   private:
    const std::shared_ptr<MortalFiles> files_;
    const std::unique_ptr<store::File> file_;
  };

  const std::shared_ptr<store::FileSystem> disk_;
  bool dead_ = false;
  unsigned dies_in_ = 0;  // 0: not by itself
};

}  // namespace strandline::testing
