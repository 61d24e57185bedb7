#include <strandline/async/wait_signal.h>

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace strandline {

// What must stay put while the signal is moved.
class WaitSignal::State {
 public:
  explicit State(int fd) noexcept : fd_(fd) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    disarm();
    static_cast<void>(::close(fd_));
  }

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] bool armed() const noexcept { return wait_ != nullptr; }
  [[nodiscard]] Result<void> arm(WaitRequest&& request) noexcept;
  [[nodiscard]] std::optional<Result<WaitOutcome>> outcome() noexcept STRANDLINE_EXCLUDES(mutex_);
  void disarm() noexcept STRANDLINE_EXCLUDES(mutex_);

 private:
  struct Wait final : BoundedWait {
    Wait(WaitRequest&& request, State& state) noexcept
        : BoundedWait(std::move(request.core), request.range, request.options), owner(state) {}
    // disarm() has withdrawn it, or it has ended.
    ~Wait() override = default;
    void ended() noexcept override { owner.end(outcome()); }
    State& owner;
  };

  void end(Result<WaitOutcome> outcome) noexcept STRANDLINE_EXCLUDES(mutex_);
  void clear_locked() noexcept STRANDLINE_REQUIRES(mutex_);

  const int fd_;
  std::unique_ptr<Wait> wait_;  // the user's thread's
  Mutex mutex_;
  CondVar ended_;
  // Set together with the descriptor's being readable.
  std::optional<Result<WaitOutcome>> outcome_ STRANDLINE_GUARDED_BY(mutex_);
};

Result<void> WaitSignal::State::arm(WaitRequest&& request) noexcept {
  if (wait_ != nullptr) {
    return fail(Errc::busy, "the signal is armed, or its outcome has not been taken");
  }
  wait_.reset(new (std::nothrow) Wait(std::move(request), *this));
  if (wait_ == nullptr) {
    return fail(Errc::no_memory, "wait");
  }
  if (wait_->start()) {
    return {};
  }
  if (wait_->refused()) {
    Error error = std::move(wait_->outcome().error());
    wait_.reset();
    return fail(std::move(error));
  }
  end(wait_->outcome());
  return {};
}

// The last that is done with a wait: once the lock is let go of, all of it may be destroyed.
void WaitSignal::State::end(Result<WaitOutcome> outcome) noexcept {
  MutexLock lock(mutex_);
  outcome_ = std::move(outcome);
  const std::uint64_t one = 1;
  if (::write(fd_, &one, sizeof one) != sizeof one) {
    std::abort();  // an eventfd that holds 0 takes 1: somebody has closed it or written to it
  }
  ended_.notify_all();
}

void WaitSignal::State::clear_locked() noexcept {
  outcome_.reset();
  std::uint64_t count = 0;
  static_cast<void>(::read(fd_, &count, sizeof count));
}

std::optional<Result<WaitOutcome>> WaitSignal::State::outcome() noexcept {
  std::optional<Result<WaitOutcome>> outcome;
  {
    MutexLock lock(mutex_);
    if (!outcome_) {
      return std::nullopt;
    }
    outcome = std::move(outcome_);
    clear_locked();
  }
  wait_.reset();
  return outcome;
}

void WaitSignal::State::disarm() noexcept {
  if (wait_ == nullptr) {
    return;
  }
  const bool withdrawn = wait_->withdraw();
  {
    MutexLock lock(mutex_);
    // Another thread has it in hand: it will be done with it in a moment.
    while (!withdrawn && !outcome_) {
      ended_.wait(mutex_);
    }
    if (!withdrawn) {
      clear_locked();
    }
  }
  wait_.reset();
}

WaitSignal::WaitSignal(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
WaitSignal::WaitSignal(WaitSignal&&) noexcept = default;
WaitSignal& WaitSignal::operator=(WaitSignal&&) noexcept = default;
WaitSignal::~WaitSignal() = default;

Result<WaitSignal> WaitSignal::create() noexcept {
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) {
    return fail(Error::system(errno, "eventfd"));
  }
  std::unique_ptr<State> state(new (std::nothrow) State(fd));
  if (state == nullptr) {
    static_cast<void>(::close(fd));
    return fail(Errc::no_memory, "signal");
  }
  return WaitSignal(std::move(state));
}

int WaitSignal::fd() const noexcept {
  return state_->fd();
}
bool WaitSignal::armed() const noexcept {
  return state_->armed();
}
Result<void> WaitSignal::arm(WaitRequest request) noexcept {
  return state_->arm(std::move(request));
}
std::optional<Result<WaitOutcome>> WaitSignal::outcome() noexcept {
  return state_->outcome();
}
void WaitSignal::disarm() noexcept {
  state_->disarm();
}

}  // namespace strandline
