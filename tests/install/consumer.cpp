// What a user's first program does: writes through one handle, reads through another, out of the installed tree.
#include <strandline/drivers/memory.h>
#include <strandline/fill/filler.h>
#include <strandline/origin/origins.h>
#include <strandline/resource/resource.h>
#include <strandline/store/store.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <utility>

int main(int, char** argv) {
  auto opened = strandline::Resource<strandline::MemoryDriver>::open({});
  if (!opened) {
    return std::puts("open failed"), 1;
  }
  auto writer = opened->writer();
  const std::array<std::byte, 3> written{std::byte{7}, std::byte{8}, std::byte{9}};
  if (!writer || !writer->write_at(0, written) || !writer->commit()) {
    return std::puts("write failed"), 1;
  }
  std::array<std::byte, 3> read{};
  const auto count = opened->read_at(0, read);
  if (!count || *count != 3 || read != written) {
    return std::puts("read something else"), 1;
  }
  const auto folder = std::filesystem::temp_directory_path() / "strandline-consumer";
  std::filesystem::remove_all(folder);
  auto store = strandline::store::Store::open(folder.native());
  auto lease = store ? store->acquire("key") : strandline::fail(std::move(store.error()));
  if (!lease || lease->writer() == nullptr || !lease->writer()->write_at(0, written)) {
    return std::puts("the store failed"), 1;
  }
  std::filesystem::remove_all(folder);
  auto fetched = strandline::Resource<strandline::MemoryDriver>::open({});
  auto found = strandline::origin::Origins().find(std::filesystem::absolute(argv[0]).native());
  auto filler = strandline::fill::Filler::create();
  auto target = fetched ? fetched->writer() : strandline::fail(std::move(fetched.error()));
  if (!target || !found || !filler) {
    return std::puts("the filler failed"), 1;
  }
  strandline::fill::FillRequest request;
  request.origin = found->origin;
  request.key = found->key;
  request.target =
      std::make_unique<strandline::fill::ResourceTarget<strandline::MemoryDriver>>(*fetched, std::move(*target));
  if (const auto fill = filler->fill(std::move(request)); !fill || !fill->wait()) {
    return std::puts("nothing was fetched"), 1;
  }
  std::puts("strandline: installed and working");
  return 0;
}
