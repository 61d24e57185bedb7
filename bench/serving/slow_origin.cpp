// An origin for `tools/bench serve`: one object as slow and as faulty as told, and what of it was sent.
//
// bench_slow_origin SIZE [rate=N] [latency_ms=N] [drop_after=N] [silent_at=N]: prints its port; /a is the object and
// /reference the same without delays and faults, which nobody counts. Lines on stdin are answered on stdout: "sent"
// with the bytes sent and those sent more than once, "change" with "ok" once there is another version. Ends with stdin.
#include <tests/support/http/served_object.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <string_view>

namespace {

using strandline::testing::HttpServer;
using strandline::testing::ObjectSettings;
using strandline::testing::ServedObject;

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    std::cerr << "bench_slow_origin: no number: " << text << "\n";
    std::exit(2);
  }
  return value;
}

ObjectSettings settings_of(int argc, char** argv) {
  ObjectSettings settings{.size = number(argv[1]), .lines = {"Cache-Control: max-age=3600"}};
  for (int i = 2; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const auto equals = std::min(argument.find('='), argument.size() - 1);
    const std::string_view name = argument.substr(0, equals);
    const std::uint64_t value = number(argument.substr(equals + 1));
    if (name == "rate") {
      settings.rate = value;
    } else if (name == "latency_ms") {
      settings.latency = std::chrono::milliseconds(value);
    } else if (name == "drop_after") {
      settings.drop_after = value;
    } else if (name == "silent_at") {
      settings.silent_at = value;
    } else if (name == "max_age") {
      settings.lines = {"Cache-Control: max-age=" + std::to_string(value)};
    } else {
      std::cerr << "bench_slow_origin: what is " << argument << "?\n";
      std::exit(2);
    }
  }
  return settings;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "bench_slow_origin SIZE [rate=N] [latency_ms=N] [drop_after=N] [silent_at=N] [max_age=N]\n";
    return 2;
  }
  ObjectSettings settings = settings_of(argc, argv);
  const auto object = ServedObject::make(settings);
  const auto reference = ServedObject::make({.size = settings.size});
  HttpServer server;
  server.on("/a", object->script());
  server.on("/reference", reference->script());
  server.on("/", [](strandline::testing::HttpExchange& exchange) {
    exchange.answer(200, "<a href=\"a\">a</a>\n", {"Content-Type: text/html"});  // rclone looks there first
  });
  std::cout << server.port() << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "sent") {
      std::cout << object->sent_bytes() << " " << object->sent_again() << std::endl;
    } else if (line == "change") {
      ++settings.version;
      object->change(settings);
      reference->change({.size = settings.size, .version = settings.version});
      std::cout << "ok" << std::endl;
    } else {
      std::cout << "what?" << std::endl;
    }
  }
}
