// Objects that are files: which names are any, and when they were changed.
#include <strandline/origin/file_origin.h>
#include <sys/stat.h>
#include <tests/serve/scene.h>

#include <ctime>

using namespace strandline;
using namespace strandline::testing;

namespace {

struct Files {
  Files() {
    serve::ServerOptions options;
    const std::string base = folder.path().native() + "/";
    options.mounts.push_back({.prefix = "/f/",
                              .origin = required(origin::FileOrigin::open({})),
                              .base = base,
                              .name = "file://" + base,
                              .urls = false});
    scene.restart(std::move(options));
  }
  void write(const std::string& name, const std::string& content, ::time_t changed) {
    const std::string path = (folder.path() / name).native();
    std::ofstream(path) << content;
    const struct ::timespec times[2] = {{0, UTIME_OMIT}, {changed, 0}};
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
  }

  TempDir folder;
  Scene scene;
};

}  // namespace

TEST_CASE("files: what no object is called is a 404, and a FIFO is not waited for") {
  Files files;
  files.write("a", "hello", 1'000'000'000);
  std::filesystem::create_directory(files.folder.path() / "folder");
  REQUIRE(::mkfifo((files.folder.path() / "fifo").c_str(), 0600) == 0);
  auto client = files.scene.client();
  CHECK(client.get("/f/a").body == "hello");
  for (const std::string& name :
       {std::string("folder"), std::string("folder/"), std::string("fifo"), std::string("a/b"), std::string("a/"),
        std::string("none"), std::string("none/b"), std::string(300, 'x'), std::string(300, 'x') + "/y"}) {
    CAPTURE(name);
    CHECK(client.get("/f/" + name).status == 404);
    CHECK(client.ask("HEAD", "/f/" + name).status == 404);
  }
}

TEST_CASE("files: the time of change is told, and asked about each time") {
  Files files;
  files.write("a", "hello", 1'000'000'000);
  auto client = files.scene.client();
  const auto first = client.get("/f/a");
  CHECK(first.field("last-modified") == "Sun, 09 Sep 2001 01:46:40 GMT");
  CHECK(first.field("cache-control") == "max-age=0");
  CHECK(first.field("etag").starts_with("W/"));
  CHECK(client.get("/f/a", "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT\r\n").status == 304);
  CHECK(client.get("/f/a", "If-Modified-Since: Sun, 09 Sep 2001 01:46:39 GMT\r\n").status == 200);
  CHECK(client.get("/f/a", "If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT\r\n").status == 412);
  // To put parts of two versions together it is not good enough.
  CHECK(client.get("/f/a", "Range: bytes=0-1\r\nIf-Range: Sun, 09 Sep 2001 01:46:40 GMT\r\n").body == "hello");
  files.write("a", "other", 1'000'000'001);
  const auto second = client.get("/f/a", "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT\r\n");
  CHECK(second.body == "other");
  CHECK(second.field("last-modified") == "Sun, 09 Sep 2001 01:46:41 GMT");
  files.write("a", "later", ::time(nullptr) + 1000);
  CHECK_FALSE(client.get("/f/a").fields.contains("last-modified"));
}
