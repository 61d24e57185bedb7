#include <bench/support/crowd.h>
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace strandline::bench {
namespace {

// The state letter stands after the name, which is in parentheses and may hold any character.
bool asleep(const std::filesystem::path& task) {
  const int descriptor = ::open((task / "stat").c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return false;  // it has ended
  }
  char text[512];
  const auto size = ::read(descriptor, text, sizeof text);
  ::close(descriptor);
  const std::string_view stat(text, size > 0 ? static_cast<std::size_t>(size) : 0);
  const std::size_t name_end = stat.rfind(')');
  return name_end != std::string_view::npos && name_end + 2 < stat.size() && stat[name_end + 2] == 'S';
}

}  // namespace

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
    started_.fetch_add(1, std::memory_order_relaxed);
    wait_(member);
    returned_.fetch_add(1, std::memory_order_release);
    returned_.notify_one();
  }
}

void Crowd::park(Wait wait) {
  wait_ = std::move(wait);
  returned_.store(0, std::memory_order_relaxed);
  started_.store(0, std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  while (started_.load(std::memory_order_relaxed) < size()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  wait_until_others_sleep();
}

void Crowd::gather() {
  for (std::size_t seen = returned_.load(std::memory_order_acquire); seen < size();
       seen = returned_.load(std::memory_order_acquire)) {
    returned_.wait(seen, std::memory_order_acquire);
  }
}

void wait_until_others_sleep() {
  const std::string self = std::to_string(::gettid());
  for (;;) {
    bool all = true;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      all = all && (task.path().filename() == self || asleep(task.path()));
    }
    if (all) {
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace strandline::bench
