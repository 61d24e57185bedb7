// VirtualNetwork: an origin, the way to it and a clock, all imagined: the planner and the governor as the filler uses
// them, step by step.
// Threads: one. Blocks: never. Errors: none. Cost: a plan per step of 1 ms at which something happened. Lifetime: a
// test's.
#pragma once

#include <strandline/base/range_set.h>
#include <strandline/fill/planning/governor.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace strandline::testing {

class VirtualNetwork {
 public:
  struct Options {
    std::uint64_t length = 64 << 20;
    double connection_rate = 20e6;  // bytes per second
    double server_rate = 1e12;      // of all connections together
    double round_trip = 0.05;       // seconds
    double drop_after = 0;          // bytes after which a connection breaks; 0: never
    unsigned crawls = 0;            // one in so many transfers comes at 1 KB/s only; 0: none
    unsigned connections = 16;
    fill::Limits limits = {};
  };
  explicit VirtualNetwork(Options options)
      : options_(options), governor_(options.connections), length_(options.length) {}

  // Somebody who reads on from `at` as soon as the bytes are there, `ahead` at a time, at most at `rate`.
  struct Reader {
    std::uint64_t at = 0;
    std::uint64_t end = 0;
    std::uint64_t step = 64 << 10;
    double rate = 1e12;
    double ready_at = 0;     // when it wants the next step
    double first_wait = -1;  // seconds it waited for its first step
    double stalled = 0;      // seconds it waited after that
    double since = 0;        // when it began
    bool active = true;
  };
  Reader& add_reader(Reader reader) {
    reader.since = reader.ready_at = now_;
    readers_.push_back(std::make_unique<Reader>(reader));
    changed_ = true;
    return *readers_.back();
  }

  void run_until(const std::function<bool()>& over, double limit) {
    for (const double until = now_ + limit; now_ < until && !over();) {
      step();
    }
  }
  [[nodiscard]] bool complete() const { return available_.byte_count() == length_; }
  [[nodiscard]] double now() const { return now_; }
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::uint64_t requests() const { return requests_; }
  [[nodiscard]] std::size_t running() const { return transfers_.size(); }
  [[nodiscard]] unsigned most_running() const { return most_running_; }
  [[nodiscard]] const RangeSet& available() const { return available_; }
  void make_available(ByteRange range) { static_cast<void>(available_.insert(range)); }

 private:
  struct Transfer {
    fill::Running running;
    double answers_at = 0;
    double owed = 0;  // bytes, a fraction
    std::uint64_t brought = 0;
    double heard = 0;
  };
  static constexpr double kStep = 0.001;

  void step() {
    now_ += kStep;
    move_bytes();
    move_readers();
    since_measured_ += kStep;
    if (since_measured_ >= 0.05) {
      governor_.measured(fill::Seconds(since_measured_), since_bytes_, static_cast<unsigned>(transfers_.size()),
                         fill::Seconds(options_.round_trip));
      since_measured_ = 0;
      since_bytes_ = 0;
      changed_ = true;
    }
    if (changed_) {
      changed_ = false;
      replan();
    }
  }
  // Of one transfer.
  [[nodiscard]] double rate() const {
    const auto sending = static_cast<double>(
        std::count_if(transfers_.begin(), transfers_.end(), [&](const auto& each) { return each.answers_at <= now_; }));
    return std::min(options_.connection_rate, options_.server_rate / std::max(1.0, sending));
  }
  void move_bytes() {
    const double rate = this->rate();
    for (auto& each : transfers_) {
      if (each.answers_at > now_) {
        continue;
      }
      const bool crawls = options_.crawls > 0 && each.running.id % options_.crawls == 0;
      const double its_rate = crawls ? 1e3 : rate;
      each.owed += its_rate * kStep;
      const std::uint64_t count = std::min(static_cast<std::uint64_t>(each.owed), each.running.end - each.running.at);
      each.owed -= static_cast<double>(count);
      static_cast<void>(available_.insert({each.running.at, each.running.at + count}));
      each.running.at += count;
      each.running.answered = true;
      each.running.rate = its_rate;
      each.running.settled = now_ - each.answers_at > 0.5;
      each.brought += count;
      sent_ += count;
      since_bytes_ += count;
    }
    const auto before = transfers_.size();
    std::erase_if(transfers_, [&](const Transfer& each) {
      return each.running.at >= each.running.end ||
             (options_.drop_after > 0 && static_cast<double>(each.brought) >= options_.drop_after);
    });
    changed_ = changed_ || transfers_.size() != before;
  }
  void move_readers() {
    for (auto& reader : readers_) {
      while (reader->active && reader->at < reader->end && reader->ready_at <= now_) {
        const ByteRange next{reader->at, std::min(reader->end, reader->at + reader->step)};
        if (!available_.covers(next)) {
          break;
        }
        (reader->first_wait < 0 ? reader->first_wait : reader->stalled) = now_ - reader->ready_at;
        reader->at = next.end;
        reader->ready_at = now_ + static_cast<double>(next.size()) / reader->rate;
        changed_ = true;
      }
    }
  }
  void replan() {
    fill::Situation situation;
    std::vector<fill::Running> running;
    for (const auto& each : transfers_) {
      running.push_back(each.running);
    }
    std::vector<fill::Wanted> wanted;
    for (const auto& reader : readers_) {
      if (reader->active && reader->at < reader->end && reader->ready_at <= now_) {
        wanted.push_back({{reader->at, std::min(reader->end, reader->at + reader->step)}});
      }
    }
    situation.length = length_;
    situation.next_gap = [this](std::uint64_t from, std::uint64_t limit) -> std::optional<ByteRange> {
      return from < limit ? available_.first_gap({from, limit}) : std::nullopt;
    };
    situation.running = running;
    situation.wanted = wanted;
    std::vector<std::uint64_t> positions;
    for (const auto& reader : readers_) {
      if (reader->active && reader->at < reader->end) {
        positions.push_back(reader->at);
      }
    }
    situation.readers = positions;
    situation.network = {fill::Seconds(options_.round_trip), fill::Seconds(options_.round_trip), rate()};
    situation.limits = options_.limits;
    const auto used = static_cast<unsigned>(transfers_.size());
    const unsigned kept = readers_.empty() ? 0 : 1;
    const unsigned background = std::min(governor_.allowed(), std::max(1U, options_.connections - kept));
    situation.free_connections = options_.connections > used ? options_.connections - used : 0;
    situation.background_connections = background > used ? background - used : 0;
    const fill::Plan plan = fill::plan(situation);
    for (const auto& trim : plan.trims) {
      for (auto& each : transfers_) {
        if (each.running.id == trim.id) {
          each.running.end = std::max(each.running.at, trim.end);
        }
      }
    }
    std::erase_if(transfers_, [](const Transfer& each) { return each.running.at >= each.running.end; });
    for (const auto& start : plan.starts) {
      REQUIRE_FALSE(start.range.empty());
      ++requests_;
      Transfer made;
      made.running = {++next_id_, start.range.begin, start.range.end, 0, false, start.demanded};
      made.answers_at = now_ + 2 * options_.round_trip;  // a connection, and the answer
      transfers_.push_back(made);
    }
    REQUIRE(transfers_.size() <= options_.connections);
    most_running_ = std::max(most_running_, static_cast<unsigned>(transfers_.size()));
  }

  const Options options_;
  fill::Governor governor_;
  const std::uint64_t length_;
  double now_ = 0;
  bool changed_ = true;
  RangeSet available_;
  std::vector<Transfer> transfers_;
  std::vector<std::unique_ptr<Reader>> readers_;
  std::uint64_t next_id_ = 0, sent_ = 0, requests_ = 0, since_bytes_ = 0;
  unsigned most_running_ = 0;
  double since_measured_ = 0;
};

}  // namespace strandline::testing
