// Freshness: for how long what is stored may be served, and when the origin is to be asked first (RFC 9111,
// section 4.2; RFC 5861; RFC 8246). Threads: a value and pure functions. Blocks: never. Errors: what is invalid makes
// it stale. Clocks that jump back make nothing younger than it was when it came. Cost: some dozen words. Lifetime: a
// value; times are of the wall clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cache_control.h"

namespace strandline::serve::http {

// Of an answer of the origin's; the lines of each joined by commas. None: not there.
struct AnswerFields {
  std::string_view cache_control = {};
  std::optional<std::string_view> expires{};
  std::optional<std::string_view> date{};
  std::optional<std::string_view> age{};
  std::optional<std::string_view> last_modified{};
};

// What whoever runs the cache says instead of the origin. What is private, is not to be stored, or is to be validated
// once it is stale, stays that.
struct FreshnessRule {
  std::optional<std::chrono::seconds> fresh_for{};  // from when it came, whatever else the origin says of that
  std::optional<std::chrono::seconds> stale_while_revalidate{};
  std::optional<std::chrono::seconds> stale_if_error{};
  bool no_store = false;
};

class Freshness {
 public:
  using Time = std::chrono::sys_seconds;

  // When the origin was asked, and when its answer came.
  [[nodiscard]] static Freshness of(const AnswerFields& answer, Time request_time, Time response_time);

  // For how long behind its lifetime it may stand in for an answer that does not come, where a rule says so.
  [[nodiscard]] const std::optional<std::chrono::seconds>& ruled_on_error() const noexcept { return ruled_on_error_; }
  [[nodiscard]] Freshness under(const FreshnessRule& rule) const noexcept;

  // 4.2.1 and, where the answer does not say, 4.2.2: a tenth of its age when it was sent, a day at the most.
  [[nodiscard]] std::chrono::seconds lifetime() const noexcept { return lifetime_; }
  // 4.2.3; from 0 to kForever.
  [[nodiscard]] std::chrono::seconds age(Time now) const noexcept;
  // When the answer came.
  [[nodiscard]] Time came() const noexcept { return response_time_; }
  // For the Age field.
  [[nodiscard]] std::string age_text(Time now) const { return std::to_string(age(now).count()); }
  [[nodiscard]] const CacheControl& control() const noexcept { return control_; }
  // May what is stale never be served (4.2.4)?
  [[nodiscard]] bool never_stale() const noexcept;

 private:
  CacheControl control_{};
  std::chrono::seconds lifetime_{};
  std::optional<std::chrono::seconds> ruled_on_error_{};
  std::chrono::seconds initial_age_{};  // corrected_initial_age
  Time response_time_{};
};

enum class Reuse : std::uint8_t {
  fresh,             // as it is
  stale,             // as it is, for the client takes it so
  while_validating,  // as it is, and the origin is asked meanwhile (RFC 5861, section 3)
  validated          // once the origin has said that it is still the same
};

// May it answer this request?
[[nodiscard]] Reuse reuse(const Freshness& stored, const CacheControl& request, Freshness::Time now) noexcept;

// The origin failed to validate it: may it answer all the same (RFC 5861, section 4)? `allowed`: for how long behind
// its lifetime whoever runs the cache allows it, whatever origin and client say, unless a rule does; what 4.2.4 forbids
// is not done.
[[nodiscard]] bool reusable_on_error(const Freshness& stored, const CacheControl& request, Freshness::Time now,
                                     std::chrono::seconds allowed) noexcept;

}  // namespace strandline::serve::http
