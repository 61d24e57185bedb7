#include <bench/support/crowd.h>
#include <tests/support/sleeping.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <utility>

namespace strandline::bench {

Crowd::Crowd(std::size_t size, std::function<void()> release) : release_(std::move(release)) {
  threads_.reserve(size);
  for (std::size_t member = 0; member < size; ++member) {
    threads_.emplace_back([this, member] { serve(member); });
  }
}

Crowd::~Crowd() {
  release_();
  leaving_ = true;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
}

void Crowd::serve(std::size_t member) {
  for (std::uint32_t round = 0;; ++round) {
    round_.wait(round, std::memory_order_acquire);
    if (leaving_) {
      return;
    }
    count(started_);
    wait_(member);
    count(returned_);
  }
}

void Crowd::park(Wait wait) {
  wait_ = std::move(wait);
  returned_.store(0, std::memory_order_relaxed);
  started_.store(0, std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  until_all(started_);
  wait_until_others_sleep();
}

void Crowd::gather() {
  until_all(returned_);
}

void Crowd::count(std::atomic<std::size_t>& counter) noexcept {
  if (counter.fetch_add(1, std::memory_order_acq_rel) + 1 == size()) {
    counter.notify_one();
  }
}

void Crowd::until_all(const std::atomic<std::size_t>& counter) const noexcept {
  for (std::size_t seen = counter.load(std::memory_order_acquire); seen < size();
       seen = counter.load(std::memory_order_acquire)) {
    counter.wait(seen, std::memory_order_acquire);
  }
}

void wait_until_others_sleep() {
  const pid_t self = ::gettid();
  for (;;) {
    bool all = true;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      const auto thread = static_cast<pid_t>(std::stol(task.path().filename()));
      all = all && (thread == self || testing::sleeps(thread));
    }
    if (all) {
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // nothing tells when a thread falls asleep
  }
}

}  // namespace strandline::bench
