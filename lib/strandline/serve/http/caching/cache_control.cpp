#include "cache_control.h"

#include <strandline/origin/http/protocol/syntax.h>

#include <array>

namespace strandline::serve::http {
namespace {

using std::chrono::seconds;
using Flag = bool CacheControl::*;
using Delta = std::optional<seconds> CacheControl::*;

struct FlagName {
  std::string_view name;
  Flag flag;
};
constexpr std::array<FlagName, 8> kFlags = {{{"no-cache", &CacheControl::no_cache},
                                             {"no-store", &CacheControl::no_store},
                                             {"only-if-cached", &CacheControl::only_if_cached},
                                             {"private", &CacheControl::is_private},
                                             {"public", &CacheControl::is_public},
                                             {"must-revalidate", &CacheControl::must_revalidate},
                                             {"proxy-revalidate", &CacheControl::proxy_revalidate},
                                             {"immutable", &CacheControl::immutable}}};

struct DeltaName {
  std::string_view name;
  Delta delta;
  seconds invalid;                    // what it counts as that cannot be read
  std::optional<seconds> unnumbered;  // what it means without a number, where it may be without
};
constexpr std::array<DeltaName, 6> kDeltas = {
    {{"max-age", &CacheControl::max_age, seconds(0), {}},
     {"s-maxage", &CacheControl::s_maxage, seconds(0), {}},
     {"min-fresh", &CacheControl::min_fresh, kForever, {}},
     {"max-stale", &CacheControl::max_stale, seconds(0), kForever},
     {"stale-if-error", &CacheControl::stale_if_error, seconds(0), {}},
     {"stale-while-revalidate", &CacheControl::stale_while_revalidate, seconds(0), {}}}};

struct Directive {
  std::string_view name;
  std::optional<std::string_view> argument;  // none: nothing, or nothing to be read, behind the name
  bool closed = true;                        // its quote, if it has one
};

// Behind the closing quote of a text that begins with the opening one; npos: there is none.
std::size_t quote_end(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      return i + 1;
    }
    i += text[i] == '\\' ? 1 : 0;
  }
  return std::string_view::npos;
}

// Takes one off the front, with the comma behind it. Only what follows an '=' is quoted; a comma in there divides not.
Directive take_directive(std::string_view& field) {
  Directive directive;
  const std::size_t end = std::min(field.find_first_of(",="), field.size());
  directive.name = origin::http::trimmed(field.substr(0, end));
  field.remove_prefix(end);
  const bool has_argument = origin::http::take(field, "=");
  std::size_t quoted = 0;
  if (has_argument && field.starts_with('"')) {
    quoted = quote_end(field);
    directive.closed = quoted != std::string_view::npos;
  }
  const std::size_t comma = directive.closed ? std::min(field.find(',', quoted), field.size()) : field.size();
  if (has_argument && directive.closed) {
    const std::string_view text = origin::http::trimmed(field.substr(0, comma));
    directive.argument = quoted != 0 && text.size() == quoted ? text.substr(1, quoted - 2) : text;
  }
  field.remove_prefix(comma);
  static_cast<void>(origin::http::take(field, ","));
  return directive;
}

}  // namespace

CacheControl CacheControl::parse(std::string_view field) noexcept {
  CacheControl control;
  while (!field.empty()) {
    const Directive directive = take_directive(field);
    control.no_store = control.no_store || !directive.closed;
    for (const auto& [name, flag] : kFlags) {
      control.*flag = control.*flag || origin::http::same_word(directive.name, name);
    }
    for (const auto& [name, delta, invalid, unnumbered] : kDeltas) {
      if (!origin::http::same_word(directive.name, name)) {
        continue;
      }
      const auto number = directive.argument ? origin::http::parse_number(*directive.argument,
                                                                          static_cast<std::uint64_t>(kForever.count()))
                                             : std::nullopt;
      const bool twice = (control.*delta).has_value();
      const seconds once = number ? seconds(*number) : directive.argument ? invalid : unnumbered.value_or(invalid);
      control.*delta = twice ? invalid : once;
    }
  }
  return control;
}

}  // namespace strandline::serve::http
