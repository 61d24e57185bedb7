// The characters and small words of HTTP (RFC 9110, section 5.6; RFC 3986, section 2.1), in both directions.
// Threads: pure functions. Blocks: never. Errors: none is thrown but bad_alloc. Cost: linear. Lifetime: views are of
// the argument's text.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace strandline::origin::http {

[[nodiscard]] constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

[[nodiscard]] constexpr char lower_case(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

[[nodiscard]] constexpr bool is_letter(char c) noexcept {
  return lower_case(c) >= 'a' && lower_case(c) <= 'z';
}

[[nodiscard]] inline std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return lower_case(c); });
  return lower;
}

// The same but for the case of letters.
[[nodiscard]] inline bool same_word(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower_case(x) == lower_case(y); });
}

// Of a hexadecimal digit; -1: it is none.
[[nodiscard]] constexpr int hex_value(char digit) noexcept {
  if (is_digit(digit)) {
    return digit - '0';
  }
  const char lower = lower_case(digit);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The byte that the percent sign at text[at] and what follows it stand for; -1: they stand for none.
[[nodiscard]] constexpr int percent_byte(std::string_view text, std::size_t at) noexcept {
  if (at + 2 >= text.size() || hex_value(text[at + 1]) < 0 || hex_value(text[at + 2]) < 0) {
    return -1;
  }
  return hex_value(text[at + 1]) * 16 + hex_value(text[at + 2]);
}

// "%0A", of any byte.
inline void append_percent(std::string& text, char c) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  text += '%';
  text += kHex[byte >> 4];
  text += kHex[byte & 15];
}

[[nodiscard]] constexpr bool is_token_character(char c) noexcept {
  return is_letter(c) || is_digit(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

[[nodiscard]] inline bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_character);
}

[[nodiscard]] constexpr bool is_control(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

// May it be a field's value? Tabs may be in it, other controls not (RFC 9110, section 5.5).
[[nodiscard]] inline bool is_field_value(std::string_view text) noexcept {
  return std::none_of(text.begin(), text.end(), [](char c) { return is_control(c) && c != '\t'; });
}

// "Name: value"
[[nodiscard]] inline bool is_field_line(std::string_view text) noexcept {
  const std::size_t colon = text.find(": ");
  return colon != std::string_view::npos && is_token(text.substr(0, colon)) && is_field_value(text);
}

[[nodiscard]] inline std::string_view trimmed(std::string_view text, std::string_view blank = " \t") noexcept {
  const std::size_t first = text.find_first_not_of(blank);
  return first == std::string_view::npos ? std::string_view()
                                         : text.substr(first, text.find_last_not_of(blank) - first + 1);
}

// Has the list a member that is this word, but for the case of letters (RFC 9110, section 5.6.1)?
[[nodiscard]] inline bool has_member(std::string_view list, std::string_view word) noexcept {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    if (same_word(trimmed(list.substr(0, comma)), word)) {
      return true;
    }
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  }
  return false;
}

[[nodiscard]] inline bool take(std::string_view& text, std::string_view prefix) noexcept {
  if (!text.starts_with(prefix)) {
    return false;
  }
  text.remove_prefix(prefix.size());
  return true;
}

// Takes digits off the front; more than `most` is `most`, however many digits that takes. None: there is no digit.
[[nodiscard]] constexpr std::optional<std::uint64_t> take_number(std::string_view& text, std::uint64_t most) noexcept {
  std::size_t digits = 0;
  std::uint64_t value = 0;
  for (; digits < text.size() && is_digit(text[digits]); ++digits) {
    const auto digit = static_cast<std::uint64_t>(text[digits] - '0');
    value = value > most / 10 || value * 10 > most - std::min(most, digit) ? most : value * 10 + digit;
  }
  text.remove_prefix(digits);
  return digits == 0 ? std::nullopt : std::optional(std::min(value, most));
}

// The whole text is one number.
[[nodiscard]] constexpr std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t most) noexcept {
  const auto number = take_number(text, most);
  return text.empty() ? number : std::nullopt;
}

}  // namespace strandline::origin::http
