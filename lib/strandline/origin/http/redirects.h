// Route: the way of one request through redirects; KnownTargets: where such ways led lately.
// Threads: one at a time. Blocks: never. Errors: a redirect that must not be followed, as a Failure. Throws bad_alloc.
// Cost: a URL per redirect. Lifetime: values.
#pragma once

#include <strandline/origin/origin.h>

#include "protocol/http_head.h"
#include "protocol/url.h"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace strandline::origin::http {

class Route {
 public:
  static constexpr std::size_t kMaxRedirects = 10;

  // Where a way led to, and whether its address has to be a public one.
  struct Target {
    Url url;
    bool guarded = false;
  };

  // `hosts`: that may be redirected to, besides the first; null: any.
  Route(Url first, bool allow_private, const std::vector<std::string>* hosts)
      : first_(first),
        now_(std::move(first)),
        allow_private_(allow_private),
        hosts_(hosts != nullptr ? std::optional(*hosts) : std::nullopt) {}

  [[nodiscard]] const Url& first() const noexcept { return first_; }
  [[nodiscard]] const Url& now() const noexcept { return now_; }
  // What is meant for the first server only may be told to the one that is asked now.
  [[nodiscard]] bool trusted() const noexcept { return now_.same_server(first_); }
  // A public server sent us here: no private address may be asked.
  [[nodiscard]] bool guarded() const noexcept { return guarded_; }
  [[nodiscard]] bool redirected() const noexcept { return !(now_.text() == first_.text()); }
  [[nodiscard]] bool remembered() const noexcept { return remembered_; }
  [[nodiscard]] Target target() const { return {now_, guarded_}; }

  // `from_private`: the server that said so has a private address itself.
  [[nodiscard]] Outcome<void> follow(const HttpHead& head, bool from_private);
  void jump(Target target);
  void restart();
  // For messages.
  [[nodiscard]] std::string shown() const;

 private:
  Url first_;
  Url now_;
  std::vector<std::string> passed_;
  bool allow_private_;
  std::optional<std::vector<std::string>> hosts_;
  bool guarded_ = false;
  bool remembered_ = false;
};

[[nodiscard]] bool is_redirect(const HttpHead& head) noexcept;

// So that many reads of one object do not each pay the redirects; for a short time, for where they lead to expires.
class KnownTargets {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kLifetime{60};
  static constexpr std::size_t kMost = 256;

  [[nodiscard]] std::optional<Route::Target> find(const Url& first, Clock::time_point now);
  // At kMost, what would be forgotten first is.
  void learn(const Url& first, Route::Target target, Clock::time_point now);
  void forget(const Url& first);

 private:
  struct Known {
    Route::Target target;
    Clock::time_point until;
  };
  std::map<std::string, Known> known_;
};

}  // namespace strandline::origin::http
