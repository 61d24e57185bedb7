// OfflineOrigin: an origin that is never asked: what the store has is all there is.
// Threads: thread-safe. Blocks: never. Errors: every question fails at once: stat() as what may pass, so that what is
// stale may stand in; read() for good, for nobody shall wait. Cost: none. Lifetime: keeps the origin, for its name.
#pragma once

#include <strandline/origin/origin.h>

#include <memory>
#include <string>
#include <utility>

namespace strandline::serve {

class OfflineOrigin final : public origin::Origin {
 public:
  explicit OfflineOrigin(std::shared_ptr<Origin> of) : of_(std::move(of)) {}

  [[nodiscard]] std::string name() const override { return of_->name(); }
  [[nodiscard]] std::string server(const std::string& key) const override { return of_->server(key); }
  void stat(std::string, origin::Reply<origin::ObjectInfo> reply, std::stop_token) noexcept override {
    reply(tl::unexpected(failure(true)));
  }
  void read(origin::ReadRequest, std::shared_ptr<origin::Sink> sink, std::stop_token) noexcept override {
    sink->end(tl::unexpected(failure(false)));
  }

 private:
  static origin::Failure failure(bool may_pass) noexcept {
    return {Error::make(Errc::timed_out, "offline: no origin is asked"), may_pass};
  }

  const std::shared_ptr<Origin> of_;
};

}  // namespace strandline::serve
