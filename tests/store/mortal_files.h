// MortalFiles: the files of a process that may die while others of the same disk live on.
// Threads: one. Blocks: never. Errors: io for all calls once it is dead. Cost: a virtual call. Lifetime: what it opens
// keeps it.
#pragma once

#include <tests/store/forwarding_files.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace strandline::testing {

class MortalFiles final : public ForwardingFiles, public std::enable_shared_from_this<MortalFiles> {
 public:
  using ForwardingFiles::ForwardingFiles;

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
    auto file = files_->open(path, how);
    if (!file) {
      return file;
    }
    return std::make_unique<MortalFile>(shared_from_this(), std::move(*file));
  }
  Result<void> rename(const std::string& from, const std::string& to) noexcept override {
    return changing() ? files_->rename(from, to) : died();
  }
  Result<void> remove(const std::string& path) noexcept override { return changing() ? files_->remove(path) : died(); }
  Result<void> make_directory(const std::string& path) noexcept override {
    return changing() ? files_->make_directory(path) : died();
  }
  Result<void> sync_directory_of(const std::string& path) noexcept override {
    return changing() ? files_->sync_directory_of(path) : died();
  }

 private:
  // True when the process lives to make the change.
  bool changing() noexcept {
    if (!dead_ && dies_in_ > 0 && --dies_in_ == 0) {
      die();
    }
    return !dead_;
  }
  static Result<void> died() noexcept { return fail(Errc::io, "dead"); }

  class MortalFile final : public ForwardingFile {
   public:
    MortalFile(std::shared_ptr<MortalFiles> process, std::unique_ptr<store::File> file)
        : ForwardingFile(std::move(file)), process_(std::move(process)) {}
    Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data) noexcept override {
      const bool was_dead = process_->dead_;
      if (process_->changing()) {
        return file_->write_at(offset, data);
      }
      if (!was_dead && data.size() > 1) {
        static_cast<void>(file_->write_at(offset, data.first(data.size() / 2)));
      }
      return fail(Errc::io, "dead");
    }
    Result<void> set_size(std::uint64_t size) noexcept override {
      return process_->changing() ? file_->set_size(size) : died();
    }
    Result<void> sync() noexcept override {
      if (std::exchange(process_->fails_next_sync, false)) {
        return fail(Errc::io, "sync");
      }
      return process_->changing() ? file_->sync() : died();
    }
    Result<void> punch(ByteRange range) noexcept override {
      return process_->changing() ? file_->punch(range) : died();
    }
    Result<void> try_hold(ByteRange range, Hold how) noexcept override {
      return process_->dead_ ? died() : file_->try_hold(range, how);
    }

   private:
    const std::shared_ptr<MortalFiles> process_;
  };

  bool dead_ = false;
  unsigned dies_in_ = 0;  // 0: not by itself
};

}  // namespace strandline::testing
