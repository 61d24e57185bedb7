#include <bench/baseline/simple_ring.h>

#include <algorithm>
#include <cstring>

namespace strandline::bench::baseline {

SimpleRing::SimpleRing(std::size_t capacity) : bytes_(capacity) {}

void SimpleRing::write(std::span<const std::byte> data) {
  while (!data.empty()) {
    std::unique_lock lock(mutex_);
    while (written_ - read_ == bytes_.size()) {
      changed_.wait(lock);
    }
    // Up to the reader's position, or to where the buffer wraps.
    const std::size_t at = written_ % bytes_.size();
    const std::size_t room = bytes_.size() - static_cast<std::size_t>(written_ - read_);
    const std::size_t count = std::min({data.size(), room, bytes_.size() - at});
    std::memcpy(bytes_.data() + at, data.data(), count);
    written_ += count;
    lock.unlock();
    changed_.notify_all();
    data = data.subspan(count);
  }
}

void SimpleRing::finish() {
  {
    std::unique_lock lock(mutex_);
    finished_ = true;
  }
  changed_.notify_all();
}

std::size_t SimpleRing::read(std::span<std::byte> out) {
  std::unique_lock lock(mutex_);
  while (written_ == read_ && !finished_) {
    changed_.wait(lock);
  }
  const std::size_t at = read_ % bytes_.size();
  const std::size_t count = std::min({out.size(), static_cast<std::size_t>(written_ - read_), bytes_.size() - at});
  if (count == 0) {
    return 0;
  }
  std::memcpy(out.data(), bytes_.data() + at, count);
  read_ += count;
  lock.unlock();
  changed_.notify_all();
  return count;
}

}  // namespace strandline::bench::baseline
