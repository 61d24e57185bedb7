// What is read anew, whatever the store has of it; and what the store has nothing of but its entry.
#include <strandline/fill/fetcher.h>
#include <strandline/origin/http/http_origin.h>
#include <tests/store/shared/scene.h>
#include <tests/support/http/served_object.h>

using namespace strandline;
using namespace strandline::testing;

namespace {

struct Anew {
  Anew() { options.limits.policy = fill::Policy::demand_only; }
  [[nodiscard]] fill::Fetched open() { return required(fetcher.open(origin, server.url("/a"), options)); }
  // Those of this method.
  [[nodiscard]] std::size_t asked(std::string_view method) const {
    const auto all = server.requests();
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&](const HttpRequest& one) { return one.method == method; }));
  }
  [[nodiscard]] static bool right(const fill::Fetched& fetched, ByteRange range, std::uint64_t version) {
    std::vector<std::byte> bytes(range.size());
    const auto count = fetched.resource().wait_read_at(range.begin, bytes, patiently());
    return count && *count == bytes.size() && bytes == content(version, range);
  }

  TempDir directory;
  HttpServer server;
  std::shared_ptr<ServedObject> object = ServedObject::make({.size = 1000});
  std::shared_ptr<origin::Origin> origin = required(origin::HttpOrigin::open());
  fill::Fetcher fetcher{required(Store::open((directory.path() / "store").native())),
                        std::make_shared<fill::Filler>(required(fill::Filler::create({})))};
  fill::FetchOptions options;
};

}  // namespace

TEST_CASE("fetcher, anew: what is complete is gone on with, by the answer to the read, if it is the same") {
  Anew scene;
  scene.server.on("/a", scene.object->script());
  scene.options.first = {0, 1000};
  const auto before = std::make_shared<fill::Fetched>(scene.open());
  CHECK(says(before->wait(patiently())) == "ready");
  scene.options.anew = true;
  scene.options.instead_of = before;
  CHECK(Anew::right(scene.open(), {0, 1000}, 1));
  CHECK(scene.asked("HEAD") == 0);
  CHECK(scene.asked("GET") == 2);
  scene.object->change({.size = 1100, .version = 2, .etag = "\"v1\""});
  const auto longer = scene.open();
  CHECK(longer.resource().length() == 1100U);
  CHECK(Anew::right(longer, {0, 1100}, 2));
  CHECK(Anew::right(*before, {0, 1000}, 1));
  CHECK(scene.asked("HEAD") == 0);
}

TEST_CASE("fetcher, anew: what has no validator is another version each time") {
  Anew scene;
  scene.object->change({.size = 1000, .etag = ""});
  scene.server.on("/a", scene.object->script());
  scene.options.first = {0, 1};
  const auto before = std::make_shared<fill::Fetched>(scene.open());
  CHECK(Anew::right(*before, {0, 1}, 1));
  scene.object->change({.size = 1000, .version = 2, .etag = ""});
  scene.options.anew = true;
  scene.options.instead_of = before;
  CHECK(Anew::right(scene.open(), {0, 1000}, 2));
  CHECK(before->given_up());
}

TEST_CASE("fetcher: an entry without a byte is read at once, as if there were none") {
  Anew scene;
  scene.server.on("/a", scene.object->script());
  { const auto described = scene.open(); }
  CHECK(scene.asked("HEAD") == 1);
  CHECK(scene.asked("GET") == 0);
  scene.options.first = {0, 10};
  CHECK(Anew::right(scene.open(), {0, 10}, 1));
  CHECK(scene.asked("HEAD") == 1);
}
