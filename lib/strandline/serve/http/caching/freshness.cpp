#include "freshness.h"

#include <strandline/origin/http/protocol/http_date.h>
#include <strandline/origin/http/protocol/syntax.h>

#include <algorithm>

namespace strandline::serve::http {
namespace {

using std::chrono::seconds;
using Time = Freshness::Time;

constexpr seconds kMostHeuristic = std::chrono::hours(24);

std::optional<Time> time_of(const std::optional<std::string_view>& field, Time now) {
  return field ? origin::http::parse_http_date(origin::http::trimmed(*field), now) : std::nullopt;
}

// 5.1: of a list the first, and what is no number is not there.
seconds age_of(const std::optional<std::string_view>& field) {
  const std::string_view first = field ? origin::http::trimmed(field->substr(0, field->find(','))) : "";
  return seconds(origin::http::parse_number(first, static_cast<std::uint64_t>(kForever.count())).value_or(0));
}

seconds lifetime_of(const CacheControl& control, const AnswerFields& answer, Time date, Time now) {
  if (control.s_maxage || control.max_age) {
    return control.s_maxage ? *control.s_maxage : *control.max_age;
  }
  if (answer.expires) {
    return std::max(time_of(answer.expires, now).value_or(date) - date, seconds(0));  // 5.3: no date is past
  }
  const auto modified = time_of(answer.last_modified, now);
  return modified ? std::clamp((date - *modified) / 10, seconds(0), kMostHeuristic) : seconds(0);
}

}  // namespace

Freshness Freshness::of(const AnswerFields& answer, Time request_time, Time response_time) {
  Freshness stored;
  stored.control_ = CacheControl::parse(answer.cache_control);
  stored.response_time_ = response_time;
  // An answer without a date was sent when it came (RFC 9110, section 6.6.1).
  const Time date = time_of(answer.date, response_time).value_or(response_time);
  stored.lifetime_ = std::min(lifetime_of(stored.control_, answer, date, response_time), kForever);
  const seconds apparent_age = std::max(response_time - date, seconds(0));
  const seconds response_delay = std::max(response_time - request_time, seconds(0));
  stored.initial_age_ = std::max(apparent_age, age_of(answer.age) + response_delay);
  return stored;
}

Freshness Freshness::under(const FreshnessRule& rule) const noexcept {
  Freshness ruled = *this;
  CacheControl& control = ruled.control_;
  if (rule.fresh_for) {
    ruled.lifetime_ = std::min(initial_age_ + *rule.fresh_for, kForever);
    control.no_cache = false;
    control.s_maxage.reset();
  }
  control.stale_while_revalidate =
      rule.stale_while_revalidate ? rule.stale_while_revalidate : control.stale_while_revalidate;
  ruled.ruled_on_error_ = rule.stale_if_error;
  control.no_store = control.no_store || rule.no_store;
  return ruled;
}

seconds Freshness::age(Time now) const noexcept {
  const seconds resident = std::max(now - response_time_, seconds(0));
  return std::min(initial_age_ + resident, kForever);
}

bool Freshness::never_stale() const noexcept {
  // s-maxage says so as well (5.2.2.10).
  return control_.no_cache || control_.must_revalidate || control_.proxy_revalidate || control_.s_maxage;
}

Reuse reuse(const Freshness& stored, const CacheControl& request, Time now) noexcept {
  const CacheControl& control = stored.control();
  if (control.no_cache || request.no_cache) {
    return Reuse::validated;  // 5.2.2.4 and 5.2.1.4
  }
  const seconds age = stored.age(now);
  const seconds left = stored.lifetime() - age;
  if (left > seconds(0) && control.immutable) {
    return Reuse::fresh;  // a reload finds nothing new (RFC 8246, section 2)
  }
  // 5.2.1.1 and 5.2.1.3
  if ((request.max_age && age > *request.max_age) || (request.min_fresh && left < *request.min_fresh)) {
    return Reuse::validated;
  }
  if (left > seconds(0)) {
    return Reuse::fresh;
  }
  const bool unwanted = request.min_fresh || (request.max_age && !request.max_stale);
  if (stored.never_stale() || unwanted) {
    return Reuse::validated;
  }
  if (control.stale_while_revalidate && -left <= *control.stale_while_revalidate) {
    return Reuse::while_validating;
  }
  return request.max_stale && -left <= *request.max_stale ? Reuse::stale : Reuse::validated;  // 5.2.1.2
}

bool reusable_on_error(const Freshness& stored, const CacheControl& request, Time now, seconds allowed) noexcept {
  const seconds staleness = stored.age(now) - stored.lifetime();
  if (stored.control().no_cache || request.no_cache) {
    return false;
  }
  if (staleness < seconds(0)) {
    return true;
  }
  const auto most = std::max(
      {allowed, stored.control().stale_if_error.value_or(seconds(0)), request.stale_if_error.value_or(seconds(0))});
  return !stored.never_stale() && staleness <= stored.ruled_on_error().value_or(most);
}

}  // namespace strandline::serve::http
