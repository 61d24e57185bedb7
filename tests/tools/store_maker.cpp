// Fills a store for the tests of the command, and keeps it open: store_maker DIR. Each line of its input is told to do
// something to an entry, and answered with a line: "ok", or what went wrong. It ends when its input does.
//   acquire KEY [VALIDATOR]   becomes the writer, and stays it
//   write KEY BEGIN END       writes bytes, each of which says where it is
//   length KEY N, commit KEY N, pin KEY BEGIN END
//   peek KEY                  opens it to read, and keeps it open
//   note KEY NOTE             leaves it; hexadecimal digits, too
//   release KEY               lets go of it
// Keys are hexadecimal digits; a validator begins with W/ when it is weak.
#include <strandline/store/store.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>
#include <span>
#include <sstream>
#include <string>
#include <vector>

using namespace strandline;
using namespace strandline::store;

namespace {

std::string key_of(const std::string& digits) {
  std::string key;
  for (std::size_t at = 0; at + 1 < digits.size(); at += 2) {
    key += static_cast<char>(std::stoi(digits.substr(at, 2), nullptr, 16));
  }
  return key;
}

template <class T>
std::string said(const Result<T>& result) {
  return result ? "ok" : result.error().message();
}

class Maker {
 public:
  explicit Maker(Store store) : store_(std::move(store)) {}

  std::string run(const std::string& line) {
    std::istringstream words(line);
    std::string what, digits, text;
    words >> what >> digits;
    const std::string key = key_of(digits);
    if (what == "acquire") {
      words >> text;
      const bool weak = text.starts_with("W/");
      const Validator validator{text.empty() ? Validator::Kind::none
                                : weak       ? Validator::Kind::weak
                                             : Validator::Kind::strong,
                                weak ? text.substr(2) : text};
      return keep(key, store_.acquire(key, validator));
    }
    if (what == "peek") {
      return keep(key, store_.peek(key));
    }
    const auto found = leases_.find(key);
    if (found == leases_.end()) {
      return "not open: " + digits;
    }
    Lease& lease = found->second;
    if (what == "release") {
      leases_.erase(found);
      return "ok";
    }
    if (what == "note") {
      words >> text;
      text = key_of(text);
      return said(lease.set_note(std::as_bytes(std::span(text))));
    }
    std::uint64_t first = 0, second = 0;
    words >> first >> second;
    if (what == "pin") {
      return said(lease.pin({first, second}));
    }
    if (lease.writer() == nullptr) {
      return "no writer";
    }
    if (what == "write") {
      std::vector<std::byte> bytes(second - first);
      for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<std::byte>((first + i) % 251);
      }
      return said(lease.writer()->write_at(first, bytes));
    }
    if (what == "length") {
      return said(lease.writer()->set_length(first));
    }
    return what == "commit" ? said(lease.writer()->commit(first)) : "what is " + what + "?";
  }

 private:
  std::string keep(const std::string& key, Result<Lease> lease) {
    if (lease) {
      leases_.insert_or_assign(key, std::move(*lease));
    }
    return said(lease);
  }

  Store store_;
  std::map<std::string, Lease> leases_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: store_maker DIR\n", stderr);
    return 2;
  }
  auto store = Store::open(argv[1]);
  if (!store) {
    std::fprintf(stderr, "%s\n", store.error().message().c_str());
    return 1;
  }
  Maker maker(std::move(*store));
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << maker.run(line) << std::endl;
  }
  return 0;
}
