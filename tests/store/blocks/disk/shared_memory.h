// SharedMemory: memory that a forked child shares, and which is a file besides (memfd_create(2)): a tool given its
// path can write to it. Sparse: what was never written takes nothing.
// Threads: any. Blocks: never. Errors: Trouble. Cost: a mapping. Lifetime: the memory's.
#pragma once

#include <tests/store/blocks/disk/trouble.h>

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace strandline::testing {

class SharedMemory {
 public:
  SharedMemory(const char* name, std::uint64_t size)
      : size_(size), file_(system_call(::memfd_create(name, 0), "memfd_create")) {
    clear();
    void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file_, 0);
    if (memory == MAP_FAILED) {
      ::close(file_);
      throw Trouble("mmap of " + std::to_string(size) + " bytes");
    }
    bytes_ = static_cast<std::byte*>(memory);
  }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory() {
    ::munmap(bytes_, size_);
    ::close(file_);
  }

  [[nodiscard]] std::byte* bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] int file() const noexcept { return file_; }
  // For children that inherit it.
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }
  // All zeros, and no memory.
  void clear() const {
    system_call(::ftruncate(file_, 0), "ftruncate");
    system_call(::ftruncate(file_, static_cast<off_t>(size_)), "ftruncate");
  }

 private:
  const std::uint64_t size_;
  const int file_;
  std::byte* bytes_ = nullptr;
};

}  // namespace strandline::testing
