#include <strandline/drivers/file/failure.h>
#include <strandline/fill/engine/workers.h>
#include <strandline/fill/opening/cold_opening.h>
#include <strandline/fill/opening/stat_with_retry.h>

#include <latch>
#include <utility>

namespace strandline::fill {
namespace {

// No byte of it is here.
bool is_empty(const store::Lease& lease) {
  const auto length = lease.resource().length();
  return length == 0U || lease.resource().next_gap(0) == ByteRange{0, length.value_or(kMaxOffset)};
}

}  // namespace

const Resource<store::EntryDriver>& Fetched::resource() const noexcept {
  return state_->resource();
}
bool Fetched::fetching() const noexcept {
  return state_->fetching();
}
FillProgress Fetched::progress() const {
  return state_->progress();
}
const Limits& Fetched::limits() const noexcept {
  return state_->limits();
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

Result<Fetched> Fetcher::open(std::shared_ptr<origin::Origin> origin, const std::string& key,
                              const FetchOptions& options, std::stop_token stop) noexcept {
  return file::contained([&]() -> Result<Fetched> {
    const std::string& name = options.store_key.empty() ? key : options.store_key;
    const bool reads_at_once = !options.object && !options.first.empty();
    const bool looks = !options.anew && (options.any_version || options.found || reads_at_once);
    auto lease = looks ? store_.peek(name) : fail(Errc::not_found);
    if (!lease && lease.error().code != Errc::not_found) {
      return fail(std::move(lease.error()));
    }
    const bool is_good = lease && ((options.found && options.found(*lease)) ||
                                   (options.any_version && lease->resource().status().state == State::committed));
    if (!is_good && !options.object && options.before_asking) {
      if (auto may = options.before_asking(); !may) {
        return fail(std::move(may.error()));
      }
    }
    std::optional<origin::ObjectInfo> object = options.object;
    if (!is_good && reads_at_once && (!lease || is_empty(*lease))) {
      if (options.anew && options.instead_of != nullptr) {
        options.instead_of->give_up(Error::make(Errc::changed, "it is fetched anew"));
      }
      auto opened = open_by_reading(store_, filler_, origin, key, options, stop, object);
      if (!opened || *opened != nullptr) {
        return opened ? Result<Fetched>(Fetched(std::move(*opened))) : fail(std::move(opened.error()));
      }
    }
    if (!is_good) {
      if (!object) {
        auto asked = stat_with_retry(*origin, key, options.retry, stop);
        auto accepted = asked && options.accept ? options.accept(*asked) : Result<void>();
        if (!asked && options.refused) {
          options.refused(asked.error());
        }
        if (!asked || !accepted) {
          return fail(std::move(asked ? accepted.error() : asked.error().error));
        }
        object = std::move(*asked);
      }
      if (options.instead_of != nullptr) {
        options.instead_of->give_up(Error::make(Errc::changed, "the origin has another version"));
      }
      lease = Fetched::State::lease_of(store_, name, *object);
      if (!lease) {
        return fail(std::move(lease.error()));
      }
    }
    auto state = std::make_shared<Fetched::State>(std::move(*lease), filler_, std::move(origin), key, options);
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
