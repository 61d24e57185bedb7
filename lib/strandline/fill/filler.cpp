#include <strandline/fill/engine/fill_state.h>

namespace strandline::fill {

Result<Filler> Filler::create(FillerOptions options) noexcept {
  try {
    auto engine = std::make_shared<Engine>(options);
    engine->start();
    return Filler(std::move(engine));
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "filler");
  } catch (const std::system_error& error) {
    return fail(Error::system(error.code().value(), "start the filler's thread"));
  }
}

Filler::~Filler() {
  if (engine_ != nullptr) {
    engine_->stop();
  }
}

Result<Fill> Filler::fill(FillRequest request) noexcept {
  if (request.origin == nullptr || request.target == nullptr) {
    return fail(Errc::invalid_argument, "a fill without an origin or a target");
  }
  const Limits& limits = request.limits;
  if (limits.min_subrange == 0 || limits.max_subrange < limits.min_subrange || limits.min_split == 0 ||
      limits.window == 0 || limits.window > kMaxOffset) {
    return strandline::fail(Errc::invalid_argument, "limits of a fill that make no sense");
  }
  try {
    auto added = engine_->add(std::move(request));
    return added ? Result<Fill>(Fill(std::move(*added))) : strandline::fail(std::move(added.error()));
  } catch (const std::bad_alloc&) {
    return strandline::fail(Errc::no_memory, "fill");
  }
}

FillerStats Filler::stats() const noexcept {
  const Tally& tally = engine_->tally();
  constexpr auto kRelaxed = std::memory_order_relaxed;
  return {.fetched = tally.fetched.load(kRelaxed),
          .requests = tally.requests.load(kRelaxed),
          .retries = tally.retries.load(kRelaxed),
          .transfers = tally.transfers.load(kRelaxed),
          .first_byte = tally.first_byte.snapshot()};
}

Fill& Fill::operator=(Fill&& other) noexcept {
  if (this != &other) {
    stop();
    state_ = std::move(other.state_);
  }
  return *this;
}

Fill::~Fill() {
  stop();
}

Result<void> Fill::wait(std::stop_token stop) const noexcept {
  return state_ != nullptr ? state_->wait_ended(std::move(stop)) : fail(Errc::invalid_argument, "no fill");
}

bool Fill::ended() const noexcept {
  return state_ == nullptr || state_->ended();
}

FillProgress Fill::progress() const {
  return state_ != nullptr ? state_->progress() : FillProgress();
}

void Fill::pause() noexcept {
  if (state_ != nullptr) {
    state_->ask_to_pause(true);
  }
}

void Fill::resume() noexcept {
  if (state_ != nullptr) {
    state_->ask_to_pause(false);
  }
}

void Fill::stop() noexcept {
  if (state_ != nullptr) {
    state_->ask_to_stop();
    static_cast<void>(state_->wait_ended({}));
    state_->let_go_of_origin();
    state_.reset();
  }
}

}  // namespace strandline::fill
