// ForwardingFile and ForwardingFiles: another file and another file system, for tests that change a few of the calls.
// Threads: as what they forward to. Blocks, Errors: likewise. Cost: a virtual call. Lifetime: they keep what they
// forward to.
#pragma once

#include <strandline/store/io/file_system.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace strandline::testing {

class ForwardingFile : public store::File {
 public:
  explicit ForwardingFile(std::unique_ptr<store::File> file) noexcept : file_(std::move(file)) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const noexcept override {
    return file_->read_at(offset, out);
  }
  Result<std::size_t> send_to(int socket, ByteRange range) const noexcept override {
    return file_->send_to(socket, range);
  }
  Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data) noexcept override {
    return file_->write_at(offset, data);
  }
  Result<std::uint64_t> size() const noexcept override { return file_->size(); }
  Result<void> set_size(std::uint64_t size) noexcept override { return file_->set_size(size); }
  Result<void> sync() noexcept override { return file_->sync(); }
  Result<void> punch(ByteRange range) noexcept override { return file_->punch(range); }
  Result<std::optional<ByteRange>> next_data(std::uint64_t from) const noexcept override {
    return file_->next_data(from);
  }
  Result<store::DataIdentity> identity() const noexcept override { return file_->identity(); }
  Result<std::uint64_t> allocated() const noexcept override { return file_->allocated(); }
  Result<Facts> facts() const noexcept override { return file_->facts(); }
  Result<void> try_hold(ByteRange range, Hold how) noexcept override { return file_->try_hold(range, how); }
  void let_go(ByteRange range) noexcept override { file_->let_go(range); }
  Result<std::optional<ByteRange>> held_elsewhere(ByteRange range) const noexcept override {
    return file_->held_elsewhere(range);
  }

 protected:
  const std::unique_ptr<store::File> file_;
};

class ForwardingFiles : public store::FileSystem {
 public:
  explicit ForwardingFiles(std::shared_ptr<store::FileSystem> files) noexcept : files_(std::move(files)) {}

  Result<std::unique_ptr<store::File>> open(const std::string& path, store::OpenFile how) noexcept override {
    return files_->open(path, how);
  }
  Result<void> rename(const std::string& from, const std::string& to) noexcept override {
    return files_->rename(from, to);
  }
  Result<void> remove(const std::string& path) noexcept override { return files_->remove(path); }
  Result<void> make_directory(const std::string& path) noexcept override { return files_->make_directory(path); }
  Result<std::vector<std::string>> names_in(const std::string& path) const noexcept override {
    return files_->names_in(path);
  }
  Result<void> sync_directory_of(const std::string& path) noexcept override { return files_->sync_directory_of(path); }
  Result<store::BootId> boot_id() const noexcept override { return files_->boot_id(); }

 protected:
  const std::shared_ptr<store::FileSystem> files_;
};

}  // namespace strandline::testing
