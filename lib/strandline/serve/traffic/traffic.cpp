#include <strandline/serve/traffic/reader.h>
#include <strandline/serve/traffic/traffic.h>

#include <algorithm>
#include <numeric>

namespace strandline::serve {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

}  // namespace

std::uint64_t TrafficTotals::requests() const noexcept {
  return std::accumulate(answers.begin(), answers.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const auto& each) { return sum + each.second; });
}

std::uint64_t TrafficTotals::errors() const noexcept {
  return std::accumulate(answers.lower_bound(500), answers.end(), broken_off,
                         [](std::uint64_t sum, const auto& each) { return sum + each.second; });
}

std::uint64_t object_id(std::string_view name) noexcept {
  std::uint64_t id = 0xcbf29ce484222325U;
  for (const char c : name) {
    id = (id ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  return std::max<std::uint64_t>(id, 1);
}

std::shared_ptr<Reader> Traffic::add_reader(std::string client) {
  return std::make_shared<Reader>(shared_from_this(), std::move(client));
}

TrafficTotals Traffic::totals() const {
  TrafficTotals totals;
  for (const Counters& counters : counters_) {
    for (std::size_t status = 0; status < counters.answers.size(); ++status) {
      if (const auto count = counters.answers[status].load(kRelaxed); count > 0) {
        totals.answers[static_cast<int>(status)] += count;
      }
    }
    totals.broken_off += counters.broken_off.load(kRelaxed);
    totals.hit_bytes += counters.hit_bytes.load(kRelaxed);
    totals.miss_bytes += counters.miss_bytes.load(kRelaxed);
    totals.passed_bytes += counters.passed_bytes.load(kRelaxed);
    totals.waits += counters.waits.snapshot();
  }
  return totals;
}

std::vector<ReaderState> Traffic::readers() const {
  std::vector<ReaderState> states;
  MutexLock lock(mutex_);
  for (const Reader* const reader : readers_) {
    if (auto state = reader->state()) {
      states.push_back(std::move(*state));
    }
  }
  return states;
}

std::size_t Traffic::connections() const {
  MutexLock lock(mutex_);
  return readers_.size();
}

Traffic::Counters& Traffic::counters() noexcept {
  static std::atomic<std::size_t> threads{0};
  static thread_local const std::size_t mine = threads.fetch_add(1, kRelaxed);
  return counters_[mine % counters_.size()];
}

std::uint64_t Traffic::add(const Reader& reader) {
  MutexLock lock(mutex_);
  readers_.insert(&reader);
  return ++last_id_;
}

void Traffic::remove(const Reader& reader) noexcept {
  MutexLock lock(mutex_);
  readers_.erase(&reader);
}

Reader::Reader(std::shared_ptr<Traffic> traffic, std::string client)
    : traffic_(std::move(traffic)), client_(std::move(client)) {
  id_ = traffic_->add(*this);
}

Reader::~Reader() {
  traffic_->remove(*this);
}

void Reader::answered(int status) noexcept {
  const auto said = static_cast<std::size_t>(status);
  auto& answers = traffic_->counters().answers;
  answers[std::min(said, answers.size() - 1)].fetch_add(1, kRelaxed);
}

void Reader::breaks_off() noexcept {
  traffic_->counters().broken_off.fetch_add(1, kRelaxed);
}

void Reader::passed(std::uint64_t count) noexcept {
  traffic_->counters().passed_bytes.fetch_add(count, kRelaxed);
}

void Reader::sent(std::uint64_t count) noexcept {
  sent_ += count;
  // Behind the first gap as many of them as there were of all; at the end of the range that is exact.
  std::uint64_t hits = std::min(sent_, presence_.first);
  if (presence_.rest > 0) {
    const double share = static_cast<double>(presence_.behind) / static_cast<double>(presence_.rest);
    const std::uint64_t behind = sent_ - hits;
    hits +=
        behind == presence_.rest ? presence_.behind : static_cast<std::uint64_t>(share * static_cast<double>(behind));
  }
  auto& counters = traffic_->counters();
  const std::uint64_t more = std::min(count, hits - std::min(hits, hits_));
  counters.hit_bytes.fetch_add(more, kRelaxed);
  counters.miss_bytes.fetch_add(count - more, kRelaxed);
  hits_ += more;
  at_.store(begin_.load(kRelaxed) + sent_, kRelaxed);
}

void Reader::begin(std::uint64_t object, ByteRange range, Presence presence) noexcept {
  presence_ = presence;
  sent_ = hits_ = 0;
  // As a seqlock: whoever sees one of these stores sees the odd turn before it.
  turn_.fetch_add(1, kRelaxed);
  object_.store(object, std::memory_order_release);
  begin_.store(range.begin, std::memory_order_release);
  end_.store(range.end, std::memory_order_release);
  at_.store(range.begin, std::memory_order_release);
  turn_.fetch_add(1, std::memory_order_release);
}

void Reader::end() noexcept {
  object_.store(0, kRelaxed);
}

void Reader::waits_for(ByteRange range) noexcept {
  wait_begin_.store(range.begin, kRelaxed);
  waits_since_.store(Clock::now().time_since_epoch().count(), kRelaxed);
  wait_end_.store(range.end, std::memory_order_release);
}

void Reader::waited(Clock::duration time) noexcept {
  wait_end_.store(0, kRelaxed);
  traffic_->counters().waits.add(time);
}

std::optional<ReaderState> Reader::state() const {
  const auto turn = turn_.load(std::memory_order_acquire);
  ReaderState state;
  state.object = object_.load(std::memory_order_acquire);
  state.range.begin = begin_.load(std::memory_order_acquire);
  state.range.end = end_.load(std::memory_order_acquire);
  state.at = at_.load(std::memory_order_acquire);
  if (state.object == 0 || turn % 2 == 1 || turn != turn_.load(kRelaxed)) {
    return std::nullopt;
  }
  if (const auto end = wait_end_.load(std::memory_order_acquire); end > 0) {
    const ByteRange waiting{wait_begin_.load(kRelaxed), end};
    const Clock::time_point since{Clock::duration(waits_since_.load(kRelaxed))};
    if (waiting.valid()) {  // else another wait has just begun
      state.waiting = waiting;
      state.waited = std::max(std::chrono::milliseconds(0),
                              std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - since));
    }
  }
  state.id = id_;
  state.client = client_;
  return state;
}

}  // namespace strandline::serve
