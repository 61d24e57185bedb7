#include <strandline/serve/control/arguments.h>

#include <charconv>
#include <nlohmann/json.hpp>

namespace strandline::serve {

using nlohmann::json;

namespace {

std::optional<std::uint64_t> number(std::string_view text, int base = 10) {
  std::uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value, base);
  const bool all = read.ec == std::errc() && read.ptr == text.data() + text.size();
  return all && !text.empty() ? std::optional(value) : std::nullopt;
}

// An object of which nothing is but these; not: discarded.
json object_of(const std::string& body, std::initializer_list<const char*> names) {
  json asked = json::parse(body, nullptr, false);
  if (!asked.is_object()) {
    return json(json::value_t::discarded);
  }
  for (const auto& [name, value] : asked.items()) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return json(json::value_t::discarded);
    }
  }
  return asked;
}

Argument<http::RequestTarget> target_in(const json& asked, const char* name, const char* wanted) {
  const auto found = asked.find(name);
  return found != asked.end() && found->is_string() ? path_argument(found->get<std::string>())
                                                    : tl::unexpected<std::string>(wanted);
}

constexpr const char* kPrefetchWanted = R"(wanted: {"url": "/path", "range": [begin, end or null] (optional)})";
constexpr const char* kPurgeWanted = R"(wanted: {"url": "/path"}, {"prefix": "/path/"} or {"all": true})";

}  // namespace

std::optional<std::string> argument(const http::RequestTarget& target, std::string_view name) {
  std::string_view rest = target.query ? std::string_view(*target.query) : std::string_view();
  while (!rest.empty()) {
    const auto one = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    const auto equals = one.find('=');
    if (equals != std::string_view::npos && one.substr(0, equals) == name) {
      return http::RequestTarget{std::string(one.substr(equals + 1)), {}}.decoded_path();
    }
  }
  return std::nullopt;
}

Argument<http::RequestTarget> path_argument(const std::string& text) {
  const std::string no_path = "not a path of this server: ";
  if (!text.starts_with('/')) {
    return tl::unexpected(no_path + "it does not begin with '/'");
  }
  auto target = http::parse_request_target(text, std::nullopt);
  if (!target) {
    return tl::unexpected(no_path + std::string(target.error().reason));
  }
  return std::move(*target);
}

std::optional<std::uint64_t> id_argument(std::string_view text) {
  return text.size() == 16 ? number(text, 16) : std::nullopt;
}

std::optional<StripOptions> strip_options(const http::RequestTarget& target) {
  StripOptions options;
  const auto read = [&](const char* name, std::uint64_t most) -> std::optional<std::uint64_t> {
    const auto text = argument(target, name);
    const auto value = text ? number(*text) : std::optional(most);
    return value && *value <= most ? value : std::nullopt;
  };
  const auto cells = argument(target, "cells") ? read("cells", 4096) : std::optional<std::uint64_t>(options.cells);
  const auto from = argument(target, "from") ? read("from", kMaxOffset) : std::optional<std::uint64_t>(0);
  const auto to = read("to", kMaxOffset);
  if (!cells || *cells == 0 || !from || !to || *from > *to) {
    return std::nullopt;
  }
  options.cells = static_cast<std::size_t>(*cells);
  options.from = *from;
  options.to = *to;
  return options;
}

Argument<PrefetchArguments> prefetch_arguments(const std::string& body) {
  const json asked = object_of(body, {"url", "range"});
  auto target = target_in(asked, "url", kPrefetchWanted);
  if (!target) {
    return tl::unexpected(std::move(target.error()));
  }
  PrefetchArguments arguments{std::move(*target), {0, kMaxOffset}};
  if (const auto range = asked.find("range"); range != asked.end()) {
    if (!range->is_array() || range->size() != 2 || !(*range)[0].is_number_unsigned() ||
        !((*range)[1].is_number_unsigned() || (*range)[1].is_null())) {
      return tl::unexpected<std::string>(kPrefetchWanted);
    }
    const json& end = (*range)[1];
    arguments.range = {(*range)[0].get<std::uint64_t>(), end.is_null() ? kMaxOffset : end.get<std::uint64_t>()};
    if (!arguments.range.valid() || arguments.range.empty()) {
      return tl::unexpected<std::string>("a range of no bytes: its begin is below its end, and that at most 2^63 - 1");
    }
  }
  return arguments;
}

Argument<PurgeArguments> purge_arguments(const std::string& body) {
  const json asked = object_of(body, {"url", "prefix", "all"});
  if (!asked.is_object() || asked.size() != 1) {
    return tl::unexpected<std::string>(kPurgeWanted);
  }
  if (const auto all = asked.find("all"); all != asked.end()) {
    if (all->is_boolean() && all->get<bool>()) {
      return PurgeArguments{{"/", {}}, true};
    }
    return tl::unexpected<std::string>(kPurgeWanted);
  }
  const bool below = asked.contains("prefix");
  auto target = target_in(asked, below ? "prefix" : "url", kPurgeWanted);
  if (!target) {
    return tl::unexpected(std::move(target.error()));
  }
  if (below && target->query) {
    return tl::unexpected<std::string>("a prefix has no query");
  }
  return PurgeArguments{std::move(*target), below};
}

}  // namespace strandline::serve
