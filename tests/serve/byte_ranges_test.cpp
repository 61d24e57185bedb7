// Range, Content-Range and multipart/byteranges (RFC 9110, section 14).
#include <strandline/serve/http/selection/byte_ranges.h>
#include <strandline/serve/http/selection/multipart.h>

#include <doctest/doctest.h>

#include <random>

namespace strandline::serve::http {
namespace {

using Kind = RequestedRanges::Kind;
using Ranges = std::vector<ByteRange>;

// "whole", "416", "?" or the ranges, first and last byte.
std::string answer(std::string_view field, std::optional<std::uint64_t> length) {
  const auto [kind, parts] = requested_ranges(field, length);
  CHECK((kind == Kind::parts) == !parts.empty());
  std::string text;
  for (const ByteRange part : parts) {
    text += (text.empty() ? "" : " ") + std::to_string(part.begin) + "-" + std::to_string(part.end - 1);
  }
  return kind == Kind::whole ? "whole" : kind == Kind::unsatisfiable ? "416" : kind == Kind::needs_length ? "?" : text;
}

struct RangeCase {
  const char* field;
  const char* answer;
};

TEST_CASE("RFC 9110 14.1.2: ranges of 1000 bytes") {
  for (const RangeCase& c : {RangeCase{"bytes=0-499", "0-499"},
                             {"bytes=500-999", "500-999"},
                             {"bytes=0-0", "0-0"},
                             {"bytes=999-999", "999-999"},
                             {"bytes=500-", "500-999"},
                             {"bytes=0-", "0-999"},
                             {"bytes=-500", "500-999"},
                             {"bytes=-1", "999-999"},
                             {"bytes=-1000", "0-999"},
                             {"bytes=-5000", "0-999"},  // more than there is: all of it
                             {"bytes=0-5000", "0-999"},
                             {"bytes=00-0099", "0-99"},
                             {"BYTES=0-9", "0-9"},  // 14.1: units have no case
                             // Out of reach: left out, and when none is left, 416.
                             {"bytes=1000-", "416"},
                             {"bytes=1000-2000", "416"},
                             {"bytes=-0", "416"},
                             {"bytes=-0,1000-", "416"},
                             {"bytes=0-9,1000-", "0-9"},
                             {"bytes=-0,5-9", "5-9"}}) {
    CAPTURE(c.field);
    CHECK(answer(c.field, 1000) == c.answer);
  }
}

TEST_CASE("RFC 9110 14.2: what is malformed, or of another unit, is ignored") {
  for (const char* field : {"",
                            "bytes",
                            "bytes=",
                            "bytes=,",
                            "bytes=, ,",
                            "=0-9",
                            "bytes 0-9",
                            "bytes:0-9",
                            "bytes=0",
                            "bytes=-",
                            "bytes=--1",
                            "bytes=a-b",
                            "bytes=0-b",
                            "bytes=0x0-9",
                            "bytes=0-9;",
                            "bytes=0-9-",
                            "bytes=0--9",
                            "bytes=+0-9",
                            "bytes=0 -9",
                            "bytes=0- 9",
                            "bytes=9-0",
                            "bytes=1-0",
                            "bytes=0-9,9-8",
                            "bytes=0-9,x",
                            "bytes=0-9 10-19",
                            "bytes =0-9",
                            " bytes=0-9",
                            "bytes=0-9\t\v",
                            "lines=0-9",
                            "octets=0-9",
                            "byte=0-9",
                            "none",
                            "bytes=0-9,bytes=20-29",
                            "bytes=0-9, bytes=20-29",
                            "bytes=0.5-9",
                            "bytes=1e1-20",
                            "bytes=\"0-9\"",
                            "bytes=0-9\xc3\xa4"}) {
    CAPTURE(field);
    CHECK(answer(field, 1000) == "whole");
    CHECK(answer(field, 0) == "whole");
    CHECK(answer(field, std::nullopt) == "whole");
  }
  CHECK(answer(std::string_view("bytes=0-9\0", 10), 1000) == "whole");
}

TEST_CASE("RFC 9110 15.3.7.2: several, in the order asked for; what overlaps or touches is one") {
  for (const RangeCase& c : {RangeCase{"bytes=0-9,20-29", "0-9 20-29"},
                             {"bytes=20-29,0-9", "20-29 0-9"},
                             {"bytes=0-0,-1", "0-0 999-999"},
                             {"bytes= 0-9 ,\t20-29 ", "0-9 20-29"},  // 5.6.1: white space around, and empty elements
                             {"bytes=,0-9,,20-29,", "0-9 20-29"},
                             {"bytes=0-9,10-19", "0-19"},
                             {"bytes=10-19,0-9", "0-19"},
                             {"bytes=0-9,11-19", "0-9 11-19"},
                             {"bytes=0-9,0-9", "0-9"},
                             {"bytes=0-99,10-19", "0-99"},
                             {"bytes=10-19,0-99", "0-99"},
                             {"bytes=0-,0-,0-", "0-999"},
                             {"bytes=500-600,0-9,601-999", "500-999 0-9"},
                             {"bytes=0-9,100-109,200-209,50-150", "0-9 50-150 200-209"},
                             {"bytes=200-209,0-9,100-109,9-100", "200-209 0-109"},
                             {"bytes=0-1,4-5,8-9,2-3,6-7", "0-9"},
                             {"bytes=900-,-200", "800-999"}}) {
    CAPTURE(c.field);
    CHECK(answer(c.field, 1000) == c.answer);
  }
}

TEST_CASE("RFC 9110 14.1.2: of nothing") {
  CHECK(answer("bytes=0-", 0) == "416");
  CHECK(answer("bytes=0-9", 0) == "416");
  CHECK(answer("bytes=-0", 0) == "416");
  CHECK(answer("bytes=-5", 0) == "whole");  // satisfiable, and no Content-Range says it
  CHECK(answer("bytes=0-9,-5", 0) == "whole");
}

TEST_CASE("while the length is not known") {
  for (const RangeCase& c : {RangeCase{"bytes=0-9", "0-9"},
                             {"bytes=0-9,5-19,100-199", "0-19 100-199"},
                             {"bytes=5-", "?"},
                             {"bytes=-5", "?"},
                             {"bytes=0-9,-5", "?"},
                             {"bytes=0-9,5-", "?"},
                             {"bytes=-0", "416"},
                             {"bytes=-0,0-9", "0-9"},
                             {"bytes=0-9223372036854775807", "?"},  // no byte has that offset
                             {"bytes=0-9223372036854775806", "0-9223372036854775806"},
                             {"bytes=0-9223372036854775805", "0-9223372036854775805"}}) {
    CAPTURE(c.field);
    CHECK(answer(c.field, std::nullopt) == c.answer);
  }
}

TEST_CASE("F62: -0, 2^64 and reversed") {
  for (const RangeCase& c : {RangeCase{"bytes=-0", "416"},
                             {"bytes=18446744073709551616-", "416"},
                             {"bytes=18446744073709551615-18446744073709551616", "416"},
                             {"bytes=0-18446744073709551616", "0-999"},
                             {"bytes=-18446744073709551616", "0-999"},
                             {"bytes=0-18446744073709551615", "0-999"},
                             {"bytes=9223372036854775807-", "416"},
                             {"bytes=9223372036854775807-9223372036854775807", "416"},
                             {"bytes=0-9223372036854775807", "0-999"},
                             {"bytes=0-99999999999999999999999999999999999999999999", "0-999"},
                             {"bytes=18446744073709551616-0", "whole"},
                             {"bytes=18446744073709551617-1", "whole"},
                             {"bytes=5-4", "whole"}}) {
    CAPTURE(c.field);
    CHECK(answer(c.field, 1000) == c.answer);
  }
  CHECK(answer("bytes=0-", kMaxOffset) == "0-9223372036854775806");
  CHECK(answer("bytes=9223372036854775806-", kMaxOffset) == "9223372036854775806-9223372036854775806");
  CHECK(answer("bytes=-1", kMaxOffset) == "9223372036854775806-9223372036854775806");
}

// Two bytes every ten, from 0.
std::string many(std::size_t count) {
  std::string field = "bytes=";
  for (std::size_t i = 0; i < count; ++i) {
    field += (i == 0 ? "" : ",") + std::to_string(10 * i) + "-" + std::to_string(10 * i + 1);
  }
  return field;
}

TEST_CASE("F62: at most 16 ranges are answered, of at most 64 and 4 KiB") {
  constexpr std::uint64_t kLength = 1'000'000;
  CHECK(requested_ranges(many(kMaxRanges), kLength).parts.size() == kMaxRanges);
  CHECK(answer(many(kMaxRanges + 1), kLength) == "whole");
  CHECK(answer(many(kMaxRanges + 1), std::nullopt) == "whole");
  // Counted once they are joined, and without those that are out of reach.
  CHECK(answer(many(kMaxRangeSpecs), 10 * kMaxRanges).starts_with("0-1 10-11 "));
  CHECK(answer(many(kMaxRangeSpecs - 1) + ",0-999", kLength) == "0-999");
  CHECK(answer(many(kMaxRangeSpecs) + ",0-999", kLength) == "whole");
  CHECK(answer(many(10'000), kLength) == "whole");
  CHECK(answer("bytes=0-0" + std::string(kMaxRangeSpecs - 1, ','), kLength) == "0-0");
  CHECK(answer("bytes=0-0" + std::string(kMaxRangeSpecs, ','), kLength) == "whole");
  CHECK(answer("bytes=0-" + std::string(kMaxRangeField - 8, '9'), kLength) == "0-999999");
  CHECK(answer("bytes=0-" + std::string(kMaxRangeField - 7, '9'), kLength) == "whole");
  std::string overlapping = "bytes=0-";
  for (int i = 0; i < 10'000; ++i) {
    overlapping += ",0-";
  }
  CHECK(answer(overlapping, kLength) == "whole");
}

TEST_CASE("F62: whatever is asked, the parts are within the content, apart, and all that was asked for") {
  std::mt19937_64 random(61);
  constexpr std::string_view kBytes = "bytes=0123456789-,, =\t";
  for (int round = 0; round < 20'000; ++round) {
    const std::uint64_t length = random() % 40;
    std::string field = "bytes=";
    std::vector<bool> asked(length);
    const bool noise = round % 4 == 0;
    for (std::uint64_t i = random() % 8 + 1; i-- != 0;) {
      const std::uint64_t first = random() % 50, last = first + random() % 10;
      field += noise ? std::string(1, kBytes[random() % kBytes.size()])
                     : std::to_string(first) + "-" + std::to_string(last) + (i == 0 ? "" : ",");
      for (std::uint64_t at = first; !noise && at <= last && at < length; ++at) {
        asked[at] = true;
      }
    }
    CAPTURE(field);
    CAPTURE(length);
    std::vector<bool> got(length);
    const Ranges parts = requested_ranges(field, length).parts;
    for (const ByteRange part : parts) {
      REQUIRE((!part.empty() && part.end <= length));
      REQUIRE((part.begin == 0 || !got[part.begin - 1]));
      REQUIRE((part.end == length || !got[part.end]));
      for (std::uint64_t at = part.begin; at < part.end; ++at) {
        REQUIRE_FALSE(got[at]);
        got[at] = true;
      }
    }
    CHECK((noise || got == asked));
  }
}

TEST_CASE("RFC 9110 14.4: Content-Range") {
  CHECK(content_range({0, 500}, 1000) == "bytes 0-499/1000");
  CHECK(content_range({999, 1000}, 1000) == "bytes 999-999/1000");
  CHECK(content_range({0, 500}, std::nullopt) == "bytes 0-499/*");
  CHECK(content_range({kMaxOffset - 1, kMaxOffset}, kMaxOffset) ==
        "bytes 9223372036854775806-9223372036854775806/9223372036854775807");
  CHECK(unsatisfied_content_range(1000) == "bytes */1000");
  CHECK(unsatisfied_content_range(0) == "bytes */0");
}

TEST_CASE("RFC 9110 14.6: multipart/byteranges, and its length in advance") {
  const std::string content = "0123456789abcdefghij";
  const Ranges parts = {{15, 20}, {0, 1}};
  const Multipart multipart(parts, content.size(), "text/plain", {1, 0xfedc'ba98'7654'3210});
  CHECK(multipart.content_type() == "multipart/byteranges; boundary=0000000000000001fedcba9876543210");
  REQUIRE(multipart.heads().size() == parts.size());
  std::string body;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    body += multipart.heads()[i] + content.substr(parts[i].begin, parts[i].size());
  }
  body += multipart.tail();
  CHECK(
      body ==
      "--0000000000000001fedcba9876543210\r\nContent-Type: text/plain\r\nContent-Range: bytes 15-19/20\r\n\r\nfghij\r\n"
      "--0000000000000001fedcba9876543210\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-0/20\r\n\r\n0\r\n"
      "--0000000000000001fedcba9876543210--\r\n");
  CHECK(multipart.content_length() == body.size());
}

TEST_CASE("RFC 9110 14.6: a type that could not stand in a header, or is not known, is left out") {
  for (const std::string_view type :
       {std::string_view(""), std::string_view("a/b\r\nX: y"), std::string_view("a\0b", 3)}) {
    const Multipart multipart({{0, 1}, {5, 9}}, std::nullopt, type, {0, 0});
    CHECK(multipart.heads()[1] == "\r\n--" + std::string(32, '0') + "\r\nContent-Range: bytes 5-8/*\r\n\r\n");
  }
  const Multipart large({{0, 1}, {5, kMaxOffset}}, kMaxOffset, "a/b", {0, 0});
  CHECK(large.content_length() ==
        1 + (kMaxOffset - 5) + large.heads()[0].size() + large.heads()[1].size() + large.tail().size());
}

}  // namespace
}  // namespace strandline::serve::http
