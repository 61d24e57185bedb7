#include <strandline/drivers/file/failure.h>
#include <strandline/fill/engine/workers.h>
#include <strandline/fill/fetcher.h>
#include <strandline/fill/lease_target.h>
#include <strandline/fill/opening/stat_with_retry.h>

#include <latch>
#include <random>
#include <utility>

namespace strandline::fill {
namespace {

// The validator of an entry whose origin tells no versions apart: ETags have quotes.
constexpr std::string_view kUntold = "fetched ";

bool is_comparable(const Validator& validator) noexcept {
  return validator.kind != Validator::Kind::weak || !validator.value.starts_with(kUntold);
}

}  // namespace

// Invariant: fill_ runs only while the lease is the writer.
class Fetched::State : public std::enable_shared_from_this<State> {
 public:
  State(store::Lease lease, std::shared_ptr<Filler> filler, std::shared_ptr<origin::Origin> origin, std::string key,
        const FetchOptions& options)
      : filler_(std::move(filler)),
        origin_(std::move(origin)),
        key_(std::move(key)),
        options_(options),
        lease_(std::move(lease)) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { static_cast<void>(lease_.set_successor({})); }

  // Fetches, if nobody does, now or once they have gone.
  [[nodiscard]] Result<void> start() {
    auto set = lease_.set_successor([self = weak_from_this()] {
      if (const auto state = self.lock()) {
        // Whatever keeps it from that now may have gone at the next look.
        static_cast<void>(file::contained([&] { return state->fetch_if_nobody_does(); }));
      }
    });
    return set ? fetch_if_nobody_does() : std::move(set);
  }

  [[nodiscard]] const Resource<store::EntryDriver>& resource() const noexcept { return lease_.resource(); }
  [[nodiscard]] std::optional<Error> why_given_up() const noexcept { return given_up_->why(); }
  [[nodiscard]] Validator validator() const {
    return is_comparable(lease_.validator()) ? lease_.validator() : Validator();
  }
  [[nodiscard]] store::Lease lease() const noexcept { return store::Lease(lease_.entry().shared_from_this()); }
  void give_up(const Error& why) noexcept {
    given_up_->because(why);  // first: who is called as the successor meanwhile begins nothing
    MutexLock starting(starting_);
    static_cast<void>(lease_.set_successor({}));  // taking away needs no memory
    Fill fill;
    {
      MutexLock lock(mutex_);
      std::swap(fill, fill_);
    }
    fill.stop();
  }
  [[nodiscard]] bool fetching() const noexcept {
    MutexLock lock(mutex_);
    return !fill_.ended();
  }
  [[nodiscard]] FillProgress progress() const {
    MutexLock lock(mutex_);
    return fill_.progress();
  }

 private:
  [[nodiscard]] Result<void> fetch_if_nobody_does() {
    MutexLock starting(starting_);
    if (fetching() || resource().status().state == strandline::State::committed) {
      return {};
    }
    if (given_up_->why()) {
      return lease_.set_successor({});
    }
    const auto taken = lease_.take_writer();
    if (!taken || !*taken) {
      return taken ? Result<void>() : fail(taken.error().clone());
    }
    FillRequest request;
    request.origin = origin_;
    request.key = key_;
    request.limits = options_.limits;
    request.validator = validator();
    request.target = std::make_unique<LeaseTarget>(lease_, given_up_);
    auto begun = filler_->fill(std::move(request));
    if (!begun) {
      lease_.end_writing();
      return fail(std::move(begun.error()));
    }
    {
      MutexLock lock(mutex_);
      std::swap(fill_, *begun);
    }
    return {};
  }

  const std::shared_ptr<Filler> filler_;
  const std::shared_ptr<origin::Origin> origin_;
  const std::string key_;
  const FetchOptions options_;
  const std::shared_ptr<GivenUp> given_up_ = std::make_shared<GivenUp>();
  store::Lease lease_;  // its writer is touched by the fill while that runs, else under starting_
  Mutex starting_;      // held over the disk and other processes; before mutex_
  mutable Mutex mutex_;
  Fill fill_ STRANDLINE_GUARDED_BY(mutex_);  // ends before the lease
};

const Resource<store::EntryDriver>& Fetched::resource() const noexcept {
  return state_->resource();
}
bool Fetched::fetching() const noexcept {
  return state_->fetching();
}
FillProgress Fetched::progress() const {
  return state_->progress();
}
Validator Fetched::validator() const {
  return state_->validator();
}
std::optional<Error> Fetched::given_up() const noexcept {
  return state_->why_given_up();
}
void Fetched::give_up(const Error& why) const noexcept {
  state_->give_up(why);
}
store::Lease Fetched::lease() const noexcept {
  return state_->lease();
}
Result<WaitOutcome> Fetched::wait(const WaitOptions& options) const noexcept {
  auto outcome = resource().wait_range({0, kMaxOffset}, options);
  if (!outcome) {
    if (auto why = state_->why_given_up()) {
      return fail(std::move(*why));
    }
  }
  return outcome;
}

Fetcher::Fetcher(store::Store store, std::shared_ptr<Filler> filler)
    : Fetcher(std::move(store), std::move(filler), std::make_shared<Workers>()) {}

// An origin that tells no versions apart may have any by now: what is there is not gone on with.
Result<store::Lease> Fetcher::lease_of(const std::string& key, const origin::ObjectInfo& object) {
  store::AcquireOptions options;
  options.length = object.size;
  options.want_writer = false;
  if (object.validator.kind != Validator::Kind::none) {
    return store_.acquire(key, object.validator, options);
  }
  return store_.acquire(key, {Validator::Kind::weak, std::string(kUntold) + std::to_string(std::random_device()())},
                        options);
}

Result<Fetched> Fetcher::open(std::shared_ptr<origin::Origin> origin, const std::string& key,
                              const FetchOptions& options, std::stop_token stop) noexcept {
  return file::contained([&]() -> Result<Fetched> {
    const std::string& name = options.store_key.empty() ? key : options.store_key;
    auto lease = options.any_version ? store_.peek(name) : fail(Errc::not_found);
    if (!lease && lease.error().code != Errc::not_found) {
      return fail(std::move(lease.error()));
    }
    if (!lease || lease->resource().status().state != State::committed) {
      std::optional<origin::ObjectInfo> object = options.object;
      if (!object) {
        auto asked = stat_with_retry(*origin, key, options.retry, stop);
        if (!asked) {
          return fail(std::move(asked.error().error));
        }
        object = std::move(*asked);
      }
      if (options.instead_of != nullptr) {
        options.instead_of->give_up(Error::make(Errc::changed, "the origin has another version"));
      }
      lease = lease_of(name, *object);
      if (!lease) {
        return fail(std::move(lease.error()));
      }
    }
    FetchOptions kept = options;
    kept.instead_of.reset();  // else each version would hold all before it
    auto state = std::make_shared<Fetched::State>(std::move(*lease), filler_, std::move(origin), key, kept);
    if (auto started = state->start(); !started) {
      return fail(std::move(started.error()));
    }
    return Fetched(std::move(state));
  });
}

void Fetcher::async_open(std::shared_ptr<origin::Origin> origin, std::string key, FetchOptions options,
                         std::stop_token stop, Done done) noexcept {
  if (auto begun = begin_opening(std::move(origin), std::move(key), std::move(options), std::move(stop), done);
      !begun) {
    done(fail(std::move(begun.error())));
  }
}

Result<void> Fetcher::begin_opening(std::shared_ptr<origin::Origin> origin, std::string key, FetchOptions options,
                                    std::stop_token stop, Done done) noexcept {
  // The thread does not keep its Fetcher, which waits for it.
  struct Call {
    store::Store store;
    std::shared_ptr<Filler> filler;
    std::stop_token ending;
    std::shared_ptr<origin::Origin> origin;
    std::string key;
    FetchOptions options;
    std::stop_token stop;
    Done done;
  };
  return file::contained([&]() -> Result<void> {
    auto call = std::make_shared<Call>(Call{store_, filler_, openings_->ending(), std::move(origin), std::move(key),
                                            std::move(options), std::move(stop), std::move(done)});
    return openings_->run([call = std::move(call)] {
      const EitherStop stop(call->stop, call->ending);
      Fetcher fetcher(std::move(call->store), std::move(call->filler), nullptr);
      call->done(fetcher.open(std::move(call->origin), call->key, call->options, stop.token()));
    });
  });
}

Opening Fetcher::opening(std::shared_ptr<origin::Origin> origin, std::string key) {
  return opening(std::move(origin), std::move(key), FetchOptions());
}

Opening Fetcher::opening(std::shared_ptr<origin::Origin> origin, std::string key, FetchOptions options,
                         std::stop_token stop) {
  return Opening([fetcher = *this, origin = std::move(origin), key = std::move(key), options = std::move(options),
                  stop = std::move(stop)](Fetcher::Done done) mutable {
    return fetcher.begin_opening(std::move(origin), std::move(key), std::move(options), std::move(stop),
                                 std::move(done));
  });
}

// The last of the fetcher may be in start_, or be a temporary beside it. So it has to end on the opening's thread,
// which does not wait for itself: with the frame, which is not resumed before it has been let go of here.
bool Opening::await_suspend(std::coroutine_handle<> coroutine) noexcept {
  auto begun = file::contained([&]() -> Result<void> {
    const auto suspended = std::make_shared<std::latch>(1);
    auto started = start_([this, coroutine, suspended](Result<Fetched> opened) {
      suspended->wait();
      opened_ = std::move(opened);
      coroutine.resume();
    });
    suspended->count_down();
    return started;
  });
  if (!begun) {
    opened_ = fail(std::move(begun.error()));
    return false;
  }
  return true;
}

}  // namespace strandline::fill
