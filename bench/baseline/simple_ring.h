// SimpleRing: a bounded queue of bytes between one writer and one reader, as written first: a buffer, a mutex, a
// condition variable, and every copy under the lock. The yardstick of B10.
// Threads: thread-safe. Blocks: write() while it is full, read() while it is empty. Errors: none; memory throws.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

namespace strandline::bench::baseline {

class SimpleRing {
 public:
  explicit SimpleRing(std::size_t capacity);

  // Takes all of the data, in as many turns as the room allows.
  void write(std::span<const std::byte> data);
  // No more will come.
  void finish();
  // Waits for the next bytes, and answers how many it copied; 0 at the end.
  [[nodiscard]] std::size_t read(std::span<std::byte> out);

 private:
  std::mutex mutex_;  // guards all below it
  std::condition_variable changed_;
  std::vector<std::byte> bytes_;
  std::uint64_t written_ = 0;
  std::uint64_t read_ = 0;
  bool finished_ = false;
};

}  // namespace strandline::bench::baseline
