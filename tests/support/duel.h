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

  Duel(Setting setting, Traits traits, typename D::Options options, std::optional<std::vector<std::byte>> committed = {},
       Arm arm = {})
      : setting_(std::move(setting)),
        traits_(traits),
        arm_(std::move(arm)),
        model_(setting_.universe, traits, std::move(committed)) {
    auto opened = Resource<D>::open(std::move(options), ResourceOptions{owner_.get_token(), {observer_}});
    if (opened) {
      resource_.emplace(std::move(*opened));
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
    if (setting_.faults != Setting::Faults::driver || fault_ == 0 || fault_ > 21) {
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
  std::optional<Resource<D>> resource_;
  std::array<WriterSlot, 2> writers_;
  std::array<CursorSlot, 2> cursors_;
  std::array<ViewSlot, 2> views_;
  std::vector<Parked> waits_;
  Subscription subscription_;
  std::array<std::byte, kWritablePrefix + 64> input_;   // what a write writes
  std::array<std::byte, kWritablePrefix + 64> buffer_;  // where reads go
};

}  // namespace strandline::testing

#include <tests/support/duel_compare.h>
#include <tests/support/duel_steps.h>
