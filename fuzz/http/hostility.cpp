#include <fuzz/http/hostility.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

namespace strandline::fuzz {
namespace {

std::uint64_t size_of(std::uint64_t version) {
  return 20'000 + 1'000 * version;
}

std::string etag_of(std::uint64_t version) {
  return "\"v" + std::to_string(version) + "\"";
}

std::string said(ByteRange range, const std::string& total) {
  return "bytes " + std::to_string(range.begin) + "-" + std::to_string(range.end - 1) + "/" + total;
}

}  // namespace

void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "http_origin: %s\n", what);
    std::abort();
  }
}

std::uint64_t version_of(const Validator& validator) {
  const std::size_t at = validator.value.find_first_of("123");
  return at == std::string::npos ? 0 : static_cast<std::uint64_t>(validator.value[at] - '0');
}

std::uint8_t Input::next() {
  const std::uint8_t byte = bytes_.empty() ? 0 : bytes_.front();
  bytes_ = bytes_.subspan(bytes_.empty() ? 0 : 1);
  return byte;
}

std::size_t Input::choice(std::size_t count) {
  const std::uint8_t byte = next();
  return byte < 128 ? byte % count : 0;
}

std::uint64_t Input::number() {
  const std::uint64_t high = next();
  return high << 8 | next();
}

std::string Input::text(std::size_t size) {
  std::string text;
  while (text.size() < size && !bytes_.empty()) {
    const char c = static_cast<char>(next());
    text += c == '\r' || c == '\n' ? ' ' : c;
  }
  return text;
}

Hostility::Hostility(Input& input, const testing::HttpRequest& request) : request_(request), asked_(request.range()) {
  version_ = 1 + input.choice(kVersions);
  const std::uint64_t size = size_of(version_);
  part_ = asked_.value_or(ByteRange{0, size}).clamped_to({0, size});
  choose_status(input);
  add_identity(input);
  add_range(input);
  const std::uint64_t body = status_ == 206 ? part_.size() : status_ == 416 ? 0 : size;
  add_length(input, body);
  add_oddity(input);
  add_body(input, body);
}

void Hostility::choose_status(Input& input) {
  constexpr std::array kStatuses = {0, 200, 206, 416, 503, 404, 302, 308, 203, 204, 304, 412, 500, 403, 405, 999};
  status_ = kStatuses[input.choice(kStatuses.size())];
  if (status_ != 0) {
    return;
  }
  const std::string wanted = request_.header("if-match");
  status_ = !wanted.empty() && wanted != etag_of(version_) ? 412 : !asked_ ? 200 : part_.empty() ? 416 : 206;
}

void Hostility::add_identity(Input& input) {
  const std::string date = "Last-Modified: Sat, 0" + std::to_string(version_) + " Nov 2008 00:00:00 GMT";
  switch (input.choice(8)) {
    case 0:
      lines_.push_back("ETag: " + etag_of(version_));
      break;
    case 1:
      lines_.push_back("ETag: W/" + etag_of(version_));
      break;
    case 2:
      lines_.push_back("etag:v" + std::to_string(version_));
      break;
    case 3:
      lines_.push_back("ETag: " + etag_of(version_));
      lines_.push_back("ETag: " + etag_of(1 + version_ % kVersions));
      junk_ = true;
      break;
    case 4:
      lines_.push_back(date);
      break;
    case 5:
      lines_.push_back("ETag: W/" + etag_of(version_));
      lines_.push_back(date);
      break;
    default:  // none
      break;
  }
}

void Hostility::claim(std::string line, std::optional<ByteRange> range) {
  lines_.push_back("Content-Range: " + std::move(line));
  claimed_ = range;
}

void Hostility::add_range(Input& input) {
  const std::string total = std::to_string(size_of(version_));
  const std::size_t form = input.choice(12);
  if (status_ == 416) {
    return claim("bytes */" + (form == 0 ? total : form == 1 ? "0" : input.text(form)), std::nullopt);
  }
  if (form == 0 && status_ != 206) {
    return;
  }
  part_ = part_.empty() ? ByteRange{0, 1} : part_;
  const std::uint64_t by = form == 0 ? 0 : 1 + input.number();
  ByteRange other = part_;
  switch (form) {
    case 0:
      return claim(said(part_, total), part_);
    case 1:  // missing
      return;
    case 2:  // later
      other = {part_.begin + by, part_.end + by};
      return claim(said(other, std::to_string(other.end)), other);
    case 3:  // earlier
      other.begin -= std::min(by, other.begin);
      return claim(said(other, total), other);
    case 4:  // longer
      other.end += by;
      return claim(said(other, std::to_string(other.end)), other);
    case 5:  // shorter
      part_.end = std::max(part_.begin + 1, part_.end - std::min(by, part_.end));
      return claim(said(part_, total), part_);
    case 6:
      return claim(said(part_, "*"), part_);
    case 7:
      return claim("items " + said(part_, total).substr(6), std::nullopt);
    case 8:
      claim(said(part_, total), std::nullopt);
      return claim(said({part_.begin, part_.end + by}, std::to_string(part_.end + by)), std::nullopt);
    case 9:
      return claim(said(part_, std::to_string(part_.end - 1)), std::nullopt);
    case 10:
      return claim(said(part_, total) + input.text(by % 8) + ",", std::nullopt);
    default:
      return claim("bytes x" + input.text(by % 32), std::nullopt);
  }
}

void Hostility::add_length(Input& input, std::uint64_t body) {
  const std::string length = "Content-Length: ";
  framed_ = true;
  switch (input.choice(7)) {
    case 0:
      lines_.push_back(length + std::to_string(body));
      return;
    case 1:
      lines_.push_back("Transfer-Encoding: chunked");
      chunked_ = true;
      return;
    case 2:
      lines_.push_back(length + std::to_string(body + 1 + input.next()));
      break;
    case 3:
      lines_.push_back(length + std::to_string(body - std::min<std::uint64_t>(body, 1 + input.next())));
      break;
    case 4:
      lines_.push_back(length + std::to_string(body));
      lines_.push_back(length + std::to_string(body + 1 + input.next()));
      junk_ = true;
      break;
    case 5:
      lines_.push_back(length + input.text(input.next() % 24));
      break;
    default:  // until the connection ends
      break;
  }
  framed_ = false;
}

void Hostility::add_oddity(Input& input) {
  if (status_ == 302 || status_ == 308) {
    constexpr std::array kPlaces = {"/a",    "b?c", "//127.0.0.1:1/",  "ftp://x/",
                                    "/\x01", "",    "http://[::1]:1/", "/object"};
    lines_.push_back("Location: " + std::string(kPlaces[input.next() % kPlaces.size()]));
  }
  switch (input.choice(6)) {
    case 1:
      lines_.push_back("Content-Encoding: gzip");
      junk_ = true;
      break;
    case 2:
      lines_.push_back("Content-Type: multipart/byteranges; boundary=x");
      junk_ = junk_ || status_ == 206;
      break;
    case 3:
      lines_.push_back("Transfer-Encoding: gzip");
      junk_ = true;
      break;
    case 4:
      lines_.push_back("X-Odd: " + input.text(input.next() % 64));
      break;
    case 5:
      lines_.push_back("Accept-Ranges: bytes");
      lines_.push_back("Retry-After: " + input.text(input.next() % 32));
      break;
    default:
      break;
  }
}

void Hostility::add_body(Input& input, std::uint64_t body) {
  const std::size_t fault = input.choice(6);
  const std::uint64_t by = fault == 0 ? 0 : input.number();
  const std::uint64_t count = fault == 0 ? body : fault == 1 ? body + 1 + by % 256 : std::min(by, body);
  ending_ = fault == 0 && framed_ ? Ending::keep : fault == 2 ? Ending::reset : Ending::close;
  silent = fault == 3;
  piece_ = input.choice(2) == 0 ? 0 : 1 + input.number() % 4'096;
  slow_ = piece_ != 0 && input.choice(2) == 1;
  const bool is_part = status_ == 206 && asked_ && claimed_;
  const bool is_whole = status_ == 200 || status_ == 203;
  std::vector<std::byte> bytes(count, std::byte{0xee});
  if ((is_part || is_whole) && !junk_) {
    testing::fill_content(version_, is_part ? claimed_->begin : 0, bytes);
  }
  message_ = input.choice(4) == 1 ? "HTTP/1.1 103 Early\r\nContent-Length: 3\r\nETag: \"v0\"\r\n\r\n" : "";
  message_ += "HTTP/1.1 " + std::to_string(status_) + " x\r\n";
  for (const std::string& line : lines_) {
    message_ += line + "\r\n";
  }
  message_ += "\r\n";
  if (request_.method == "HEAD") {
    return;
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!chunked_) {
    message_ += text;
    return;
  }
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t chunk = std::min<std::size_t>(text.size() - at, 1 + input.number());
    std::array<char, 16> size{};
    std::snprintf(size.data(), size.size(), "%zx\r\n", chunk);
    message_ += size.data();
    message_ += text.substr(at, chunk);
    message_ += "\r\n";
    at += chunk;
  }
  message_ += fault == 0 ? "0\r\n\r\n" : input.text(by % 8);
}

void Hostility::send(testing::HttpExchange& exchange) const {
  const std::size_t piece = piece_ == 0 ? message_.size() : std::max(piece_, message_.size() / 16);
  for (std::size_t at = 0; at < message_.size(); at += piece) {
    if (!exchange.send(std::string_view(message_).substr(at, piece)) ||
        (slow_ && !exchange.pause(std::chrono::microseconds(50)))) {
      return;
    }
  }
  if (silent) {
    exchange.wait_for_close();
  } else if (ending_ == Ending::reset) {
    exchange.reset();
  } else if (ending_ == Ending::close) {
    exchange.close();
  }
}

}  // namespace strandline::fuzz
