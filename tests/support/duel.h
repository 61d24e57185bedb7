// Duel<D>: a resource over the driver D and its model go through the same steps; after each they must agree, answer
// for answer, byte for byte, gap for gap, wait for wait, observer call for observer call.
// Threads: one. Blocks: never: every call that could wait has a deadline in the past. Errors: step() answers false, and
// mismatch() says what differs. Cost: a few reads per run of bytes and step. Lifetime: ends in finish().
#pragma once

#include <strandline/resource/resource.h>
#include <tests/support/operation.h>
#include <tests/support/recorder.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace strandline::testing {

template <Driver D>
class Duel {
 public:
  // Tells the driver, if it can be told, which of its calls is to fail.
  using Arm = std::function<void(const std::optional<Fault>&)>;

  Duel(Setting setting, Traits traits, typename D::Options options,
       std::optional<std::vector<std::byte>> committed = {}, Arm arm = {})
      : setting_(std::move(setting)),
        traits_(traits),
        arm_(std::move(arm)),
        model_(setting_.universe, traits, std::move(committed)) {
    auto opened = Resource<D>::open(std::move(options), ResourceOptions{owner_.get_token(), {observer_}});
    if (opened) {
      resource_.emplace(std::move(*opened));
      resource_->set_demand_observer(demand_observer_);
      compare();
    } else {
      differ("open: " + opened.error().message());
    }
  }

  [[nodiscard]] const std::string& mismatch() const noexcept { return mismatch_; }
  // How many calls of the write side changed nothing: those that were refused, and writes of what was there.
  [[nodiscard]] std::uint64_t without_effect() const noexcept { return without_effect_; }

  // One step on both sides, then a comparison. False once they differ.
  bool step(const Operation& operation) {
    apply(operation);
    return agree();
  }

  // Only the step's own answers are compared; for steps whose outcome another duel has looked at.
  void apply(const Operation& operation) {
    if (!mismatch_.empty()) {
      return;
    }
    fault_ = operation.fault;
    const auto planned = driver_fault();
    model_.set_fault(planned);
    if (arm_) {
      arm_(planned);
    }
    run(operation);
    model_.set_fault({});
    if (arm_) {
      arm_({});
    }
  }

  bool agree() {
    compare();
    return mismatch_.empty();
  }

  // Lets go of every handle and looks at what that did; views are looked at once more after the last.
  bool finish() {
    if (!mismatch_.empty()) {
      return false;
    }
    sweep();
    for (WriterSlot& slot : writers_) {
      slot.writer.reset();
      model_.drop_writer(slot.number);
      compare();
    }
    for (CursorSlot& slot : cursors_) {
      slot.cursor.reset();
    }
    resource_.reset();
    model_.cancel();
    compare_waits();
    compare_logs();
    compare_views();
    if (!waits_.empty()) {
      differ("a wait outlived the resource");
    }
    return mismatch_.empty();
  }

 private:
  using Kind = Operation::Kind;
  static constexpr std::size_t kMostWaits = 64;

  struct WriterSlot {
    std::optional<Writer<D>> writer;
    std::uint64_t number = 0;
  };
  struct CursorSlot {
    std::optional<Cursor<D>> cursor;
    std::uint64_t number = 0;
    std::uint64_t position = 0;
  };
  struct ViewSlot {
    View view;
    std::optional<std::uint64_t> pin;
    std::vector<std::byte> expected;
  };
  struct Parked {
    std::uint64_t number = 0;
    std::shared_ptr<WaitRecord> record;
    std::stop_source stop;
  };

  void differ(std::string what) {
    if (mismatch_.empty()) {
      mismatch_ = std::move(what);
    }
  }
  void expect(bool same, const char* what) {
    if (!same) {
      differ(what);
    }
  }
  void expect(const Answer& real, const Answer& model, const char* what) {
    if (!(real == model)) {
      differ(std::string(what) + ": the resource answers " + to_string(real) + ", the model " + to_string(model));
    }
  }

  // Runs the call under test with the chosen allocation failing.
  template <class Call>
  auto call(Call&& function) {
    FailAllocation scope(setting_.faults == Setting::Faults::allocations ? fault_ : 0);
    auto result = function();
    fired_ = scope.fired();
    return result;
  }
  // The answer is that memory ran out, as it was made to: nothing must have happened.
  [[nodiscard]] bool lost(const Answer& answer) const noexcept { return fired_ && answer.error == Errc::no_memory; }

  [[nodiscard]] std::optional<Fault> driver_fault() const {
    if (setting_.faults != Setting::Faults::driver || fault_ == 0 || fault_ > 22) {
      return std::nullopt;
    }
    if (fault_ > 16) {
      return Fault{static_cast<Fault::Call>(fault_ - 17 + static_cast<unsigned>(Fault::Call::commit)), 1, {}, Errc::io};
    }
    Fault fault{fault_ <= 8 ? Fault::Call::write : Fault::Call::read, 1U + fault_ % 2U, {}, Errc::io};
    switch ((fault_ - 1U) / 2U % 4U) {
      case 0:
        fault.error = Errc::no_space;
        break;
      case 1:
        break;
      case 2:
        fault.part = 1;
        break;
      default:
        fault.part = 3;
    }
    return fault;
  }

  [[nodiscard]] WaitOptions bounded(const Operation& operation) const {
    return {operation.stopped ? stopped_.get_token() : std::stop_token(), std::chrono::steady_clock::time_point(),
            operation.flag ? WaitFor::any : WaitFor::all};
  }
  // A buffer's worth of the operation's range; reads are of what programs could have written.
  [[nodiscard]] std::uint64_t read_size(const Operation& operation) const {
    return operation.begin > kMaxOffset ? 4 : std::min<std::uint64_t>(operation.size(), buffer_.size());
  }

  void run(const Operation& operation);
  void run_writing(const Operation& operation, WriterSlot& slot);
  [[nodiscard]] Answer write(const Operation& operation, WriterSlot& slot);
  void lose_write(std::uint64_t writer, std::uint64_t offset, std::span<const std::byte> data, bool stopped);
  void start_writer(const Operation& operation, WriterSlot& slot);
  void evict(const Operation& operation);
  void run_reading(const Operation& operation);
  void async_wait(const Operation& operation);
  void run_cursor(const Operation& operation, CursorSlot& slot);
  void run_view(const Operation& operation, ViewSlot& slot);
  void subscribe(bool wanted);

  void compare();
  void compare_bytes();
  void compare_waits();
  void compare_logs();
  void compare_views();
  [[nodiscard]] bool agrees();
  void sweep();
  void compare_read(std::uint64_t offset, std::uint64_t size);

  const Setting setting_;
  const Traits traits_;
  const Arm arm_;
  Model model_;
  std::string mismatch_;
  unsigned fault_ = 0;  // of this step
  bool fired_ = false;
  std::uint64_t without_effect_ = 0;

  std::stop_source owner_;
  std::stop_source stopped_ = [] {
    std::stop_source source;
    source.request_stop();
    return source;
  }();
  const std::shared_ptr<RecordingObserver> observer_ = std::make_shared<RecordingObserver>();
  const std::shared_ptr<RecordingObserver> late_observer_ = std::make_shared<RecordingObserver>();
  const std::shared_ptr<RecordDemand> demand_observer_ = std::make_shared<RecordDemand>();
  std::optional<Resource<D>> resource_;
  std::array<WriterSlot, 2> writers_;
  std::array<CursorSlot, 2> cursors_;
  std::array<ViewSlot, 2> views_;
  std::vector<Parked> waits_;
  Subscription subscription_;
  std::array<std::byte, kWritablePrefix + 64> input_;   // what a write writes
  std::array<std::byte, kWritablePrefix + 64> buffer_;  // where reads go
};

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
  const auto demand = resource_->demand(kMostWaits);
  expect(demand.has_value() && *demand == model_.demand(), "demand()");
  compare_bytes();
  compare_waits();
  compare_logs();
  compare_views();
  std::vector<std::uint64_t> positions;
  for (const CursorSlot& slot : cursors_) {
    expect(!slot.cursor || slot.cursor->position() == slot.position, "a cursor's position");
    if (slot.cursor) {
      positions.push_back(slot.position);
    }
  }
  std::sort(positions.begin(), positions.end());
  const auto stand = resource_->reader_positions(cursors_.size());
  expect(stand.has_value() && *stand == positions, "reader_positions()");
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
    expect(answer_of(resource_->wait_range(rest, at_once)), model_.wait(rest, WaitFor::all, false),
           "wait for the rest");
  }
}

}  // namespace strandline::testing

#include <tests/support/duel_steps.h>
