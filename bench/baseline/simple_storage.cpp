#include <bench/baseline/simple_storage.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <vector>

namespace strandline::bench::baseline {
namespace {

constexpr std::uint64_t kFirstSize = std::uint64_t{1} << 20;

std::uint64_t doubled(std::uint64_t size) noexcept {
  return std::max(kFirstSize, std::bit_ceil(size));
}

class FileStorage final : public SimpleStorage {
 public:
  FileStorage(int descriptor, std::string name) noexcept : descriptor_(descriptor), name_(std::move(name)) {}
  ~FileStorage() override {
    if (address_ != nullptr) {
      ::munmap(address_, size_);
    }
    ::close(descriptor_);
  }
  FileStorage(const FileStorage&) = delete;
  FileStorage& operator=(const FileStorage&) = delete;

  Result<void> reserve(std::uint64_t size) override {
    if (size <= size_) {
      return {};
    }
    const std::uint64_t grown = doubled(size);
    if (::ftruncate(descriptor_, static_cast<off_t>(grown)) != 0) {
      return fail(Error::system(errno, "ftruncate", name_));
    }
    void* const moved = address_ == nullptr ? ::mmap(nullptr, grown, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0)
                                            : ::mremap(address_, size_, grown, MREMAP_MAYMOVE);
    if (moved == MAP_FAILED) {
      return fail(Error::system(errno, "mmap", name_));
    }
    address_ = static_cast<std::byte*>(moved);
    size_ = grown;
    return {};
  }
  // The mapping stays longer than the file: nobody reads past the length.
  Result<void> finish(std::uint64_t length) override {
    if (::ftruncate(descriptor_, static_cast<off_t>(length)) != 0) {
      return fail(Error::system(errno, "ftruncate", name_));
    }
    return {};
  }
  std::byte* data() noexcept override { return address_; }

 private:
  const int descriptor_;
  const std::string name_;
  std::byte* address_ = nullptr;
  std::uint64_t size_ = 0;
};

class VectorStorage final : public SimpleStorage {
 public:
  Result<void> reserve(std::uint64_t size) override {
    if (size > bytes_.size()) {
      bytes_.resize(doubled(size));
    }
    return {};
  }
  Result<void> finish(std::uint64_t length) override {
    bytes_.resize(length);
    bytes_.shrink_to_fit();
    return {};
  }
  std::byte* data() noexcept override { return bytes_.data(); }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace

Result<std::unique_ptr<SimpleStorage>> SimpleStorage::open_file(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    return fail(Error::system(errno, "open", path.native()));
  }
  return std::make_unique<FileStorage>(descriptor, path.native());
}

std::unique_ptr<SimpleStorage> SimpleStorage::open_memory() {
  return std::make_unique<VectorStorage>();
}

}  // namespace strandline::bench::baseline
