// A file, or what is behind a URL, fetched through a store: a second run of it, or another process meanwhile, has from
// there what has come.
#include <strandline/fill/fetcher.h>
#include <strandline/origin/origins.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>

using namespace strandline;

namespace {

int fetch(const std::string& url, const std::string& directory) {
  // [readme]
  auto origins = origin::Origins();
  auto found = origins.find(url).value();
  auto filler = std::make_shared<fill::Filler>(fill::Filler::create().value());
  fill::Fetcher fetcher(store::Store::open(directory).value(), filler);
  const auto film = fetcher.open(found.origin, found.key);  // or co_await fetcher.opening(...)
  if (!film) return std::fprintf(stderr, "%s\n", film.error().message().c_str()), 1;

  std::array<std::byte, 16> head;
  const auto count = film->resource().wait_read_at(0, head);  // what is waited for in any process comes first
  if (!count) return std::fprintf(stderr, "%s\n", count.error().message().c_str()), 1;
  if (const auto all = film->wait(); !all) return std::fprintf(stderr, "%s\n", all.error().message().c_str()), 1;
  // [/readme]
  std::printf("%zu bytes at the start; fetched: %llu\n", *count,
              static_cast<unsigned long long>(film->progress().fetched));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string url = argc > 1 ? argv[1] : argv[0];  // this very program, if nothing else is asked for
  if (argc > 2) {
    return fetch(url, argv[2]);
  }
  std::string directory = std::filesystem::temp_directory_path() / "strandline-example-XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) {
    return std::perror("mkdtemp"), 1;
  }
  int failed = 1;
  try {
    failed = fetch(url, directory) + fetch(url, directory);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  std::filesystem::remove_all(directory);
  return failed;
}
