// SecretKey, PlainBytes: the 32 bytes that a store is encrypted with, and a buffer of bytes that are not encrypted yet.
// Threads: values. Blocks: never. Errors: an empty buffer when there is no memory. Cost: a copy of 32 bytes. Lifetime:
// the bytes are wiped when they end, those of every copy too; nothing prints them, and no error tells of them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <span>

namespace strandline::store {

// Overwrites bytes in a way that the compiler does not leave out.
void wipe(std::span<std::byte> bytes) noexcept;

class SecretKey {
 public:
  static constexpr std::size_t kBytes = 32;

  // From a source of random bytes, or a key derivation: every entry's key is only as hard to guess as this one. The
  // caller's copy is the caller's to wipe.
  explicit SecretKey(std::span<const std::byte, kBytes> bytes) noexcept {
    std::copy(bytes.begin(), bytes.end(), bytes_.begin());
  }
  SecretKey(const SecretKey&) noexcept = default;
  SecretKey& operator=(const SecretKey&) noexcept = default;
  ~SecretKey() { wipe(bytes_); }

  [[nodiscard]] std::span<const std::byte, kBytes> bytes() const noexcept { return bytes_; }

 private:
  std::array<std::byte, kBytes> bytes_;
};

class PlainBytes {
 public:
  explicit PlainBytes(std::size_t size) noexcept
      : bytes_(new (std::nothrow) std::byte[size]), size_(bytes_ != nullptr ? size : 0) {}
  PlainBytes(const PlainBytes&) = delete;
  PlainBytes& operator=(const PlainBytes&) = delete;
  ~PlainBytes() { wipe(span()); }

  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::span<std::byte> span() const noexcept { return {bytes_.get(), size_}; }

 private:
  const std::unique_ptr<std::byte[]> bytes_;
  const std::size_t size_;
};

}  // namespace strandline::store
