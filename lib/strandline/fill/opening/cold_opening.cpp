#include <strandline/fill/late_target.h>
#include <strandline/fill/opening/cold_opening.h>

namespace strandline::fill {
namespace {

// What the answer has led to. Held by the fill's target, which goes when the fill has ended: then nothing comes any
// more.
class Answer {
 public:
  void made(std::shared_ptr<Fetched::State> state) noexcept STRANDLINE_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    state_ = std::move(state);
    changed_.notify_all();
  }
  void end() noexcept STRANDLINE_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  // Null: there will be none. Once: what is left here would keep itself, for the fill is its own.
  [[nodiscard]] std::shared_ptr<Fetched::State> wait() noexcept STRANDLINE_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    while (state_ == nullptr && !ended_) {
      changed_.wait(mutex_);
    }
    return std::move(state_);
  }

 private:
  Mutex mutex_;  // a leaf
  CondVar changed_;
  std::shared_ptr<Fetched::State> state_ STRANDLINE_GUARDED_BY(mutex_);
  bool ended_ STRANDLINE_GUARDED_BY(mutex_) = false;
};

}  // namespace

Result<std::shared_ptr<Fetched::State>> open_by_reading(store::Store& store, const std::shared_ptr<Filler>& filler,
                                                        const std::shared_ptr<origin::Origin>& origin,
                                                        const std::string& key, const FetchOptions& options,
                                                        const std::stop_token& stop,
                                                        std::optional<origin::ObjectInfo>& told) {
  const auto answer = std::make_shared<Answer>();
  // What it refers to is here until it has been called, or never will be.
  auto make = [&, until_ended = std::shared_ptr<void>(nullptr, [answer](void*) { answer->end(); })](
                  const origin::ObjectInfo& object) -> Result<std::unique_ptr<Target>> {
    if (auto accepted = options.accept ? options.accept(object) : Result<void>(); !accepted) {
      return fail(std::move(accepted.error()));
    }
    const std::string& name = options.store_key.empty() ? key : options.store_key;
    auto lease = Fetched::State::lease_of(store, name, object);
    if (!lease) {
      return fail(std::move(lease.error()));
    }
    auto state = std::make_shared<Fetched::State>(std::move(*lease), filler, origin, key, options);
    auto target = state->target(options.first);
    if (target) {
      answer->made(std::move(state));
    } else if (target.error().code == Errc::busy) {
      told = object;
    }
    return target;
  };
  FillRequest request;
  request.origin = origin;
  request.key = key;
  request.limits = options.limits;
  request.accept = options.accept_bytes;
  // What ends before options.first is still to be asked about.
  request.refused = [refused = options.refused](const origin::Failure& failure) {
    if (refused && failure.error.code != Errc::invalid_range) {
      refused(failure);
    }
  };
  request.target = std::make_unique<LateTarget>(std::move(make), options.first);
  auto fill = filler->fill(std::move(request));
  if (!fill) {
    return fail(std::move(fill.error()));
  }
  // While the origin thinks. What cannot be made now fails when it is needed.
  static_cast<void>(store.prepare(options.store_key.empty() ? key : options.store_key));
  std::shared_ptr<Fetched::State> state;
  {
    const std::stop_callback stopped(stop, [&] { answer->end(); });
    state = answer->wait();
  }
  if (state == nullptr) {
    if (stop.stop_requested()) {
      fill->stop();
      return fail(Errc::interrupted, "opening");
    }
    auto ended = fill->wait();
    if (!ended && ended.error().code == Errc::invalid_range) {
      told.reset();
    }
    const bool is_no_way = ended || ended.error().code == Errc::busy || ended.error().code == Errc::invalid_range;
    return is_no_way ? Result<std::shared_ptr<Fetched::State>>() : fail(std::move(ended.error()));
  }
  state->adopt(std::move(*fill));
  if (auto started = state->start(); !started) {
    return fail(std::move(started.error()));
  }
  return state;
}

}  // namespace strandline::fill
