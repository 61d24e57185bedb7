#include <strandline/origin/http/protocol/syntax.h>
#include <strandline/serve/objects/notes/said.h>
#include <strandline/store/lease.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>
#include <utility>

namespace strandline::serve {
namespace {

using http::Freshness;
using origin::ObjectInfo;

constexpr std::string_view kFirstLine = "strandline serve 1\n";
constexpr std::string_view kOther = "field: ";             // before each of the others, which come last
constexpr std::uint64_t kLatest = std::uint64_t{1} << 40;  // seconds since 1970: no clock shows more
constexpr std::chrono::seconds kOften{60};

// Each line has a name, and what stands behind it; in this order.
template <class Info>
auto texts_of(Info& info) {
  auto& said = info.caching;
  return std::to_array<std::pair<std::string_view, decltype(&info.content_type)>>(
      {{"content-type: ", &info.content_type},
       {"cache-control: ", &said.cache_control},
       {"expires: ", &said.expires},
       {"date: ", &said.date},
       {"age: ", &said.age},
       {"last-modified: ", &said.last_modified},
       {"vary: ", &said.vary}});
}

std::optional<Freshness::Time> take_time(std::string_view& text, std::string_view name) {
  if (!origin::http::take(text, name)) {
    return std::nullopt;
  }
  const auto seconds = origin::http::take_number(text, kLatest);
  return seconds && origin::http::take(text, "\n")
             ? std::optional(Freshness::Time(std::chrono::seconds(static_cast<std::int64_t>(*seconds))))
             : std::nullopt;
}

bool take_text(std::string_view& text, std::string_view name, std::string& value) {
  if (!origin::http::take(text, name)) {
    return true;  // not there
  }
  const auto end = text.find('\n');
  if (end == std::string_view::npos) {
    return false;
  }
  value = text.substr(0, end);
  text.remove_prefix(end + 1);
  return true;
}

// When it stops being fresh.
Freshness::Time fresh_until(const Said& said) {
  const Freshness freshness = freshness_of(said);
  return said.answered + freshness.lifetime() - freshness.age(said.answered);
}

}  // namespace

Freshness freshness_of(const Said& said) {
  const auto field = [](const std::string& text) {
    return text.empty() ? std::nullopt : std::optional<std::string_view>(text);
  };
  const origin::CachingFields& fields = said.info.caching;
  return Freshness::of({.cache_control = fields.cache_control,
                        .expires = field(fields.expires),
                        .date = field(fields.date),
                        .age = field(fields.age),
                        .last_modified = field(fields.last_modified)},
                       said.asked, said.answered);
}

std::optional<std::string> note_of(const Said& said) {
  std::string note(kFirstLine);
  for (const auto& [name, time] : {std::pair{"asked: ", said.asked}, std::pair{"answered: ", said.answered}}) {
    const auto seconds = time.time_since_epoch().count();
    if (seconds < 0 || static_cast<std::uint64_t>(seconds) > kLatest) {
      return std::nullopt;
    }
    note.append(name).append(std::to_string(seconds)).append("\n");
  }
  note.append(said.info.accepts_ranges ? "ranges: 1\n" : "ranges: 0\n");
  for (const auto& [name, value] : texts_of(said.info)) {
    if (!origin::http::is_field_value(*value)) {
      return std::nullopt;
    }
    if (!value->empty()) {
      note.append(name).append(*value).append("\n");
    }
  }
  for (std::string_view others = said.info.other_fields; !others.empty();) {
    const auto line = others.substr(0, others.find('\n'));
    if (!origin::http::is_field_line(line) || line.size() == others.size()) {
      return std::nullopt;
    }
    note.append(kOther).append(line).append("\n");
    others.remove_prefix(line.size() + 1);
  }
  return note.size() <= store::kMaxNote ? std::optional(std::move(note)) : std::nullopt;
}

std::optional<Said> said_in(std::span<const std::byte> note) {
  const std::string_view all(reinterpret_cast<const char*>(note.data()), note.size());
  std::string_view text = all;
  if (!origin::http::take(text, kFirstLine)) {
    return std::nullopt;
  }
  const auto asked = take_time(text, "asked: ");
  const auto answered = asked ? take_time(text, "answered: ") : std::nullopt;
  if (!answered) {
    return std::nullopt;
  }
  Said said{{}, *asked, *answered};
  said.info.accepts_ranges = text.starts_with("ranges: 1\n");
  text.remove_prefix(std::min(text.size(), text.find('\n') + 1));
  for (const auto& [name, value] : texts_of(said.info)) {
    if (!take_text(text, name, *value)) {
      return std::nullopt;
    }
  }
  for (std::string line; text.starts_with(kOther);) {
    if (!take_text(text, kOther, line)) {
      return std::nullopt;
    }
    said.info.other_fields.append(line).append("\n");
  }
  // One spelling only: what another line, order or letter would be read as need not be thought about.
  return note_of(said) == all ? std::optional(std::move(said)) : std::nullopt;
}

bool is_news(const Said& noted, const Said& said) {
  const auto words = [](const Said& of) {
    const origin::CachingFields& fields = of.info.caching;
    return std::tie(of.info.accepts_ranges, of.info.content_type, fields.cache_control, fields.last_modified,
                    fields.vary);
  };
  return words(noted) != words(said) || said.answered < noted.answered || said.answered >= noted.answered + kOften ||
         fresh_until(said) < fresh_until(noted);
}

}  // namespace strandline::serve
