// Duel's comparisons, made after every step; included by duel.h.
// Threads, Blocks, Errors, Lifetime: see there. Cost: O(bytes of the universe).
#pragma once

#include <tests/support/duel.h>

namespace strandline::testing {

template <Driver D>
void Duel<D>::compare() {
  if (!mismatch_.empty()) {
    return;
  }
  resource_->check_invariants();
  const ResourceStatus status = resource_->status();
  expect(status.state == model_.state(), "status().state");
  expect(status.length == model_.length() && resource_->length() == model_.length(), "length");
  expect(status.generation == model_.generation(), "status().generation");
  const auto code = status.error ? std::optional(status.error->code) : std::nullopt;
  if (code != model_.error()) {
    differ("status().error: " + std::string(code ? to_string(*code) : "none") + ", the model " +
           std::string(model_.error() ? to_string(*model_.error()) : "none"));
  }
  expect(resource_->stats().parked == model_.parked(), "stats().parked");
  compare_bytes();
  compare_waits();
  compare_logs();
  compare_views();
  for (const CursorSlot& slot : cursors_) {
    expect(!slot.cursor || slot.cursor->position() == slot.position, "a cursor's position");
  }
}

template <Driver D>
void Duel<D>::compare_read(std::uint64_t offset, std::uint64_t size) {
  const auto out = std::span(buffer_).first(static_cast<std::size_t>(size));
  const Answer model = model_.read(offset, size);
  const Answer real = answer_of(std::as_const(*resource_).read_at(offset, out));
  if (!(real == model)) {
    differ("read_at " + to_string(ByteRange{offset, offset + size}) + " answers " + to_string(real) + ", the model " +
           to_string(model));
    return;
  }
  for (std::uint64_t i = 0; !model.error && i < model.value; ++i) {
    if (out[i] != model_.byte_at(offset + i)) {
      differ("byte " + std::to_string(offset + i) + " differs");
      return;
    }
  }
}

// Every run whole, and the bytes next to it; every gap's both ends are among those.
template <Driver D>
void Duel<D>::compare_bytes() {
  const auto available = resource_->available();
  const std::vector<ByteRange> expected = model_.available();
  if (!available || !std::equal(available->begin(), available->end(), expected.begin(), expected.end())) {
    differ("available() is " + (available ? to_string(*available) : available.error().message()));
    return;
  }
  for (const ByteRange run : expected) {
    expect(resource_->contains(run), "contains() denies a run");
    compare_read(run.begin, run.size());
    if (run.begin > 0) {
      compare_read(run.begin - 1, std::min<std::uint64_t>(run.size() + 1, 8));
    }
    if (run.end < kMaxOffset) {
      compare_read(run.end, 1);
      compare_read(run.end - 1, 2);
    }
  }
  compare_read(setting_.universe.base, 1);
  for (const std::uint64_t from : {std::uint64_t{0}, setting_.universe.base, setting_.universe.base + 7}) {
    expect(resource_->next_gap(from) == model_.next_gap(from, kMaxOffset), "next_gap()");
  }
}

template <Driver D>
void Duel<D>::compare_waits() {
  for (const Parked& wait : waits_) {
    const auto outcome = model_.outcome(wait.number);
    if (wait.record->calls != (outcome ? 1U : 0U)) {
      differ("a wait's callback was called " + std::to_string(wait.record->calls) + " times, the model says " +
             (outcome ? to_string(*outcome) : "it is parked"));
    } else if (outcome) {
      expect(wait.record->answer, *outcome, "a wait");
      const bool must_explain = outcome->error.has_value() && setting_.faults != Setting::Faults::allocations;
      expect(!must_explain || wait.record->explained, "a wait's error has no context");
    }
  }
  std::erase_if(waits_, [this](const Parked& wait) {
    const bool over = model_.outcome(wait.number).has_value();
    if (over) {
      model_.forget_wait(wait.number);
    }
    return over;
  });
}

template <Driver D>
void Duel<D>::compare_logs() {
  const auto compare_log = [this](RecordingObserver& observer, const std::vector<Happening>& expected) {
    if (observer.log != expected) {
      std::string text = "an observer was told";
      for (const Happening& happening : observer.log) {
        text += " (" + to_string(happening) + ")";
      }
      text += ", the model says";
      for (const Happening& happening : expected) {
        text += " (" + to_string(happening) + ")";
      }
      differ(std::move(text));
    }
    observer.log.clear();
  };
  compare_log(*observer_, model_.log);
  compare_log(*late_observer_, subscription_.active() ? model_.log : std::vector<Happening>());
  model_.log.clear();
}

template <Driver D>
void Duel<D>::compare_views() {
  for (const ViewSlot& slot : views_) {
    const auto bytes = slot.view.bytes();
    expect(std::equal(bytes.begin(), bytes.end(), slot.expected.begin(), slot.expected.end()), "a view's bytes");
  }
}

// Do both tell the same story, to readers and to observers?
template <Driver D>
bool Duel<D>::agrees() {
  bool same = resource_->status().state == model_.state() && observer_->log == model_.log &&
              resource_->next_gap(0) == model_.next_gap(0, kMaxOffset);
  for (std::uint64_t i = 0; same && i < setting_.universe.size; ++i) {
    const std::uint64_t offset = setting_.universe.base + i;
    same = answer_of(std::as_const(*resource_).read_at(offset, std::span(buffer_).first(1))) == model_.read(offset, 1);
  }
  return same;
}

// Every byte, and every wait for one that would be over at once.
template <Driver D>
void Duel<D>::sweep() {
  const Universe& universe = setting_.universe;
  const WaitOptions at_once{{}, std::chrono::steady_clock::time_point(), WaitFor::all};
  for (std::uint64_t i = 0; i < universe.size; ++i) {
    const ByteRange one{universe.base + i, universe.base + i + 1};
    const ByteRange rest{one.begin, universe.end()};
    compare_read(one.begin, 1);
    expect(resource_->contains(one) == model_.contains(one), "contains()");
    expect(resource_->next_gap(one.begin, one.end) == model_.next_gap(one.begin, one.end), "next_gap()");
    expect(answer_of(resource_->wait_range(one, at_once)), model_.wait(one, WaitFor::all, false), "wait for one");
    expect(answer_of(resource_->wait_range(rest, at_once)), model_.wait(rest, WaitFor::all, false), "wait for the rest");
  }
}

}  // namespace strandline::testing
