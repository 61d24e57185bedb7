// Crowd: many threads that all go to sleep in one kind of wait, round after round.
// Threads: one thread uses it. Blocks: park(), gather(). Errors: throws. Cost: one thread each. Lifetime: gather()
// before it goes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace strandline::bench {

class Crowd {
 public:
  using Wait = std::function<void(std::size_t member)>;

  // `release` ends the waits of whoever still sleeps in one when the crowd goes.
  Crowd(std::size_t size, std::function<void()> release);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  [[nodiscard]] std::size_t size() const noexcept { return threads_.size(); }

  // Has every thread call `wait`, and comes back once all of them sleep in it.
  void park(Wait wait);
  // Comes back once every wait has returned.
  void gather();

 private:
  void serve(std::size_t member);
  void count(std::atomic<std::size_t>& counter) noexcept;
  void until_all(const std::atomic<std::size_t>& counter) const noexcept;

  const std::function<void()> release_;
  Wait wait_;  // written by park() before it moves round_, read by the threads after
  // Written with release by park() and the destructor, read with acquire by the threads: publishes wait_ and leaving_.
  std::atomic<std::uint32_t> round_{0};
  bool leaving_ = false;
  // Counted by each thread before and after its wait; read by park() and by gather(), with acquire, for what the
  // waits have left behind.
  std::atomic<std::size_t> started_{0};
  std::atomic<std::size_t> returned_{0};
  std::vector<std::jthread> threads_;
};

// Comes back when every other thread of this process sleeps in the kernel.
void wait_until_others_sleep();

}  // namespace strandline::bench
