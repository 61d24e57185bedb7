// A program of waits and of what ends them on WaitIndex, against a plain list in which every wait is asked after
// every change: with and without a window, callbacks and threads, waits that give up before and after they
// were decided, bytes that are taken away, new generations.
//
// Input: byte 0 picks the window and the offsets; then three bytes a step: operation, begin, size.
#include <strandline/resource/wait_index/wait_index.h>
#include <tests/resource/wait_index/counted_waiter.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

namespace {

using namespace strandline;

constexpr std::uint64_t kUniverse = 48;
constexpr std::array<std::uint64_t, 4> kOrigins = {0, 4096 - 24, (std::uint64_t{1} << 32) - 24, kMaxOffset - kUniverse};

void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "wait_index: %s\n", what);
    std::abort();
  }
}

struct Wait final : strandline::testing::CountedWaiter {
  using CountedWaiter::CountedWaiter;
  bool gave_up = false;
};

// The bytes, one by one: the only thing the two sides share is the question.
struct World {
  std::uint64_t origin = 0;
  std::optional<std::uint64_t> capacity;
  std::array<bool, kUniverse> there{};
  std::optional<std::uint64_t> length;
  std::uint64_t window = 0;

  [[nodiscard]] bool has(std::uint64_t offset) const { return offset < origin ? !capacity : there[offset - origin]; }
  [[nodiscard]] Verdict verdict(const Waiter& wait) const {
    const ByteRange range = wait.range();
    if (length && range.begin >= *length) {
      return Verdict::eof;
    }
    if (range.begin < window) {
      return Verdict::evicted;
    }
    const std::uint64_t all = length ? std::min(range.end, *length) : range.end;
    const std::uint64_t end = wait.until() == WaitFor::any ? range.begin + 1 : all;
    for (std::uint64_t at = range.begin; at < end; ++at) {
      if (!has(at)) {
        return Verdict::pending;
      }
    }
    return Verdict::ready;
  }
};

class Program {
 public:
  Program(std::uint64_t origin, std::optional<std::uint64_t> capacity) {
    world_.origin = origin;
    world_.capacity = capacity;
    start_over();
  }
  ~Program() {
    for (const auto& wait : waits_) {
      if (wait->parked()) {
        index_.remove(*wait);
      }
    }
  }

  void step(unsigned operation, ByteRange range) {
    switch (operation % 12) {
      case 0:
      case 1:
      case 2:
        add(range, WaitFor::all, operation % 24 < 12 ? Waiter::Wake::thread : Waiter::Wake::callback);
        break;
      case 3:
        add(range, WaitFor::any, operation % 24 < 12 ? Waiter::Wake::callback : Waiter::Wake::thread);
        break;
      case 4:
      case 5:
      case 6:
        publish(range);
        break;
      case 7:
        give_up(range.begin);
        break;
      case 8:
        truncate(range.begin);
        break;
      case 9:
        set_length(range.end);
        break;
      case 10:
        interrupt(range);
        break;
      default:
        start_over();
    }
    compare();
    if (operation >= 128) {
      wake();
      compare();
    }
  }

 private:
  void add(ByteRange range, WaitFor until, Waiter::Wake kind) {
    if (range.empty() || (world_.capacity && until == WaitFor::all && range.size() > *world_.capacity)) {
      return;
    }
    const Urgency urgency = range.begin % 3 == 0 ? Urgency::background : Urgency::reader;
    auto wait = std::make_unique<Wait>(range, until, kind, urgency);
    if (world_.verdict(*wait) == Verdict::pending) {
      index_.add(*wait, *availability_);
      waits_.push_back(std::move(wait));
    }
  }
  void publish(ByteRange range) {
    if (world_.length) {
      range = range.clamped_to({0, *world_.length});
    }
    const std::uint64_t begin = std::max(world_.window, availability_->window_begin_for(range.end));
    if (!range.empty() && begin > world_.window) {
      require(availability_->evict_before(begin).has_value(), "eviction failed");
      for (std::uint64_t at = world_.origin; at < std::min(begin, world_.origin + kUniverse); ++at) {
        world_.there[at - world_.origin] = false;
      }
      world_.window = begin;
      index_.on_evicted(*availability_, ready_);
    }
    range = range.clamped_to({world_.window, kMaxOffset});
    if (range.empty()) {
      return;
    }
    require(availability_->publish(range).has_value(), "publishing failed");
    for (std::uint64_t at = range.begin; at < range.end; ++at) {
      world_.there[at - world_.origin] = true;
    }
    index_.on_available(range, *availability_, ready_);
  }
  // A parked wait is taken out; a decided callback, if it has not been popped, is never woken.
  void give_up(std::uint64_t which) {
    if (waits_.empty()) {
      return;
    }
    Wait& wait = *waits_[which % waits_.size()];
    if (wait.parked()) {
      index_.remove(wait);
      wait.gave_up = true;
    } else if (ReadyList::withdraw(wait)) {
      require(wait.woken == 0, "withdrawn after it was woken");
      wait.gave_up = true;
    }
  }
  void truncate(std::uint64_t to) {
    std::uint64_t length = world_.capacity ? std::max(world_.window, to) : world_.origin;
    while (!world_.capacity && length < to && world_.has(length)) {
      ++length;
    }
    if (world_.length) {
      return;  // a known length is committed at that or not at all
    }
    auto tail = availability_->prepare_truncate(length);
    require(availability_->truncate(length, tail).has_value(), "truncation failed");
    for (std::uint64_t at = length; at < world_.origin + kUniverse; ++at) {
      world_.there[at - world_.origin] = false;
    }
    index_.on_dropped(*availability_);
  }
  void set_length(std::uint64_t length) {
    if (world_.length || length < availability_->end_offset()) {
      return;
    }
    world_.length = length;
    availability_->set_length(length);
    index_.decide_all([this](const Waiter& wait) { return world_.verdict(wait); }, *availability_, nullptr, ready_);
  }
  void interrupt(ByteRange range) {
    index_.decide_all(
        [range](const Waiter& wait) {
          return range.contains(wait.range().begin) ? Verdict::interrupted : Verdict::pending;
        },
        *availability_, nullptr, ready_);
  }
  // A new generation, of which nothing is there; without a window all below the origin is.
  void start_over() {
    availability_.emplace(RangeSet(), std::nullopt, world_.capacity);
    world_.there.fill(false);
    world_.length.reset();
    world_.window = 0;
    if (!world_.capacity) {
      require(availability_->publish({0, world_.origin}).has_value(), "publishing failed");
    }
    index_.on_dropped(*availability_);
  }
  void wake() {
    (void)ready_.wake_threads();
    while (Waiter* const wait = ready_.pop_callback()) {
      ReadyList::wake(*wait);
    }
    for (const auto& wait : waits_) {
      const bool decided = !wait->parked() && !wait->gave_up;
      require(wait->woken == (decided ? 1 : 0), "woken not once, or not at all");
    }
    std::erase_if(waits_, [](const auto& wait) { return !wait->parked(); });
  }
  void compare() const {
    index_.check_invariants(*availability_);
    std::size_t parked = 0;
    for (const auto& wait : waits_) {
      parked += wait->parked() ? 1 : 0;
      require(wait->parked() == (wait->verdict() == Verdict::pending && !wait->gave_up),
              "parked and decided, or neither");
      require(!wait->parked() || world_.verdict(*wait) == Verdict::pending, "sleeps on what is there");
    }
    require(parked == index_.size(), "the index lost a wait");
    compare_demand();
  }
  // Each parked wait is in the group of the byte that it lacks, and no group is without one.
  void compare_demand() const {
    std::vector<Demand> demand;
    index_.collect_demand(kUniverse * 2, *availability_, demand);
    for (const Demand& group : demand) {
      std::uint64_t end = 0;
      std::uint64_t enough = kMaxOffset;
      for (const auto& wait : waits_) {
        const ByteRange asked = wait->range().clamped_to({0, world_.length.value_or(kMaxOffset)});
        std::uint64_t lacks = asked.begin;
        while (lacks < asked.end && world_.has(lacks)) {
          ++lacks;
        }
        if (wait->parked() && wait->urgency() == group.urgency && lacks == group.missing.begin) {
          end = std::max(end, asked.end);
          enough = std::min(enough, wait->until() == WaitFor::any ? asked.begin + 1 : asked.end);
        }
      }
      require(group.missing.end == end || waits_.size() > 64, "demand that nobody has, or too little of it");
      require(group.enough == enough, "another end of the first wait");
    }
    require(demand.empty() == (index_.size() == 0), "demand without a wait, or a wait without demand");
  }

  World world_;
  std::optional<Availability> availability_;
  WaitIndex index_;
  ReadyList ready_;
  std::vector<std::unique_ptr<Wait>> waits_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) {
    return 0;
  }
  const std::uint64_t origin = kOrigins[data[0] % kOrigins.size()];
  Program program(origin, data[0] % 3 == 0 ? std::optional<std::uint64_t>(1 + data[0] / 16) : std::nullopt);
  for (std::size_t at = 1; at + 3 <= size; at += 3) {
    const std::uint64_t begin = data[at + 1] % kUniverse;
    const std::uint64_t end = std::min(kUniverse, begin + data[at + 2] % 17);
    program.step(data[at], {origin + begin, origin + end});
  }
  return 0;
}
