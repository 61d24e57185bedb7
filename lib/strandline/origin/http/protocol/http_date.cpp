#include "http_date.h"

#include <algorithm>
#include <array>

#include "syntax.h"

namespace strandline::origin::http {
namespace {

namespace chrono = std::chrono;

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> kLongDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// Takes a date apart, from the front. What is not there makes it no date; the rest is then read for nothing.
class DateText {
 public:
  explicit DateText(std::string_view text) : rest_(text) {}

  void expect(std::string_view text) { valid_ = take(rest_, text) && valid_; }
  [[nodiscard]] bool take_one(std::string_view text) { return take(rest_, text); }
  // The index of the name that comes next. Case counts, as it does in HTTP's dates.
  template <std::size_t kNames>
  unsigned name(const std::array<std::string_view, kNames>& names) {
    unsigned index = 0;
    while (index < kNames && !take(rest_, names[index])) {
      ++index;
    }
    valid_ = index < kNames && valid_;
    return index;
  }
  unsigned digits(std::size_t count) {
    const auto value = parse_number(rest_.substr(0, count), 9999);
    valid_ = value && rest_.size() >= count && valid_;
    rest_.remove_prefix(std::min(count, rest_.size()));
    return valid_ ? static_cast<unsigned>(*value) : 0;
  }
  [[nodiscard]] bool ended_well() const { return valid_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool valid_ = true;
};

struct Date {
  int year = 0;
  unsigned month = 0;  // January is 0
  unsigned day = 0;
  unsigned hour = 0, minute = 0, second = 0;

  void read_time(DateText& text) {
    hour = text.digits(2);
    text.expect(":");
    minute = text.digits(2);
    text.expect(":");
    second = text.digits(2);
  }
  // "06 Nov 1994 08:49:37 GMT", and with dashes
  void read_fixed(DateText& text, std::string_view between, std::size_t year_digits) {
    day = text.digits(2);
    text.expect(between);
    month = text.name(kMonths);
    text.expect(between);
    year = static_cast<int>(text.digits(year_digits));
    text.expect(" ");
    read_time(text);
    text.expect(" GMT");
  }
  // "Nov  6 08:49:37 1994"
  void read_asctime(DateText& text) {
    month = text.name(kMonths);
    text.expect(" ");
    day = text.digits(text.take_one(" ") ? 1 : 2);
    text.expect(" ");
    read_time(text);
    text.expect(" ");
    year = static_cast<int>(text.digits(4));
  }
  [[nodiscard]] std::optional<chrono::sys_seconds> time() const {
    const chrono::year_month_day date{chrono::year(year), chrono::month(month + 1), chrono::day(day)};
    // 60: a leap second.
    if (!date.ok() || hour > 23 || minute > 59 || second > 60) {
      return std::nullopt;
    }
    return chrono::sys_days(date) + chrono::hours(hour) + chrono::minutes(minute) + chrono::seconds(second);
  }
};

// The latest year that ends in these two digits and is not more than 50 ahead. A leap day may not have one.
std::optional<chrono::sys_seconds> time_near(Date date, chrono::sys_seconds now) {
  const int two_digits = date.year;
  const int century = int(chrono::year_month_day(chrono::floor<chrono::days>(now)).year()) / 100 * 100;
  for (int base = century + 100; base >= century - 100; base -= 100) {
    date.year = base + two_digits;
    const auto time = date.time();
    if (time && *time <= now + chrono::years(50)) {
      return time;
    }
  }
  return std::nullopt;
}

void append_digits(std::string& text, unsigned value, unsigned place) {
  for (; place != 0; place /= 10) {
    text += static_cast<char>('0' + value / place % 10);
  }
}

}  // namespace

std::optional<chrono::sys_seconds> parse_http_date(std::string_view words, chrono::sys_seconds now) {
  DateText text(words);
  Date date;
  const bool obsolete = words.find("day, ") != std::string_view::npos;  // of RFC 850: the weekday in full
  if (obsolete) {
    text.name(kLongDays);
    text.expect(", ");
    date.read_fixed(text, "-", 2);
  } else {
    text.name(kDays);
    if (text.take_one(", ")) {
      date.read_fixed(text, " ", 4);
    } else {
      text.expect(" ");
      date.read_asctime(text);
    }
  }
  if (!text.ended_well()) {
    return std::nullopt;
  }
  return obsolete ? time_near(date, now) : date.time();
}

std::string http_date(chrono::sys_seconds time) {
  using chrono::year;
  constexpr chrono::sys_seconds kFirst = chrono::sys_days(year(0) / 1 / 1);
  constexpr chrono::sys_seconds kEnd = chrono::sys_days(year(10000) / 1 / 1);
  time = std::clamp(time, kFirst, kEnd - chrono::seconds(1));
  const auto midnight = chrono::floor<chrono::days>(time);
  const chrono::year_month_day day(midnight);
  const chrono::hh_mm_ss clock(time - midnight);
  std::string text(kDays[chrono::weekday(midnight).c_encoding()]);
  text += ", ";
  append_digits(text, static_cast<unsigned>(day.day()), 10);
  text += ' ';
  text += kMonths[static_cast<unsigned>(day.month()) - 1];
  text += ' ';
  append_digits(text, static_cast<unsigned>(int(day.year())), 1000);
  text += ' ';
  append_digits(text, static_cast<unsigned>(clock.hours().count()), 10);
  text += ':';
  append_digits(text, static_cast<unsigned>(clock.minutes().count()), 10);
  text += ':';
  append_digits(text, static_cast<unsigned>(clock.seconds().count()), 10);
  return text + " GMT";
}

}  // namespace strandline::origin::http
