// What every origin that lists its objects promises.
#include <tests/origin/conformance.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

namespace strandline::origin::conformance {
namespace {

// All pages, joined; `between` runs after each but the last, and is told the page's `next`.
struct Listing {
  std::vector<std::string> keys;
  std::vector<std::size_t> sizes;  // of the pages
  std::string outcome = "ok";
};
Listing list_all(Calls& calls, const std::string& prefix, std::size_t limit,
                 const std::function<void(const std::string&)>& between = {}) {
  Listing all;
  ListRequest request;
  request.prefix = prefix;
  request.limit = limit;
  for (;;) {
    auto page = calls.list(request);
    if (!page) {
      all.outcome = says(page);
      return all;
    }
    all.sizes.push_back(page->items.size());
    for (const auto& item : page->items) {
      all.keys.push_back(item.key);
    }
    if (!page->next) {
      return all;
    }
    // Nothing that would never end.
    if (page->next->empty() || page->next == request.after || all.sizes.size() > 10'000) {
      all.outcome = "goes round in circles";
      return all;
    }
    request.after = *page->next;
    if (between) {
      between(request.after);
    }
  }
}

std::vector<std::string> keys_of(Calls& calls, const std::vector<std::string>& names) {
  std::vector<std::string> keys;
  for (const std::string& name : names) {
    keys.push_back(calls.key(name));
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

void check_keys(Listing listing, const Can& can, const std::vector<std::string>& expected) {
  CHECK(listing.outcome == "ok");
  if (can.sort) {
    CHECK(std::is_sorted(listing.keys.begin(), listing.keys.end()));
  }
  std::sort(listing.keys.begin(), listing.keys.end());
  CHECK(listing.keys == expected);
}

// In every order that '/' can have beside other letters.
const std::vector<std::string> kNames = {"a",     "a b/c", "a-b",   "a.b",     "ab/c",     "b",
                                         "b-/c",  "b.d/c", "b0",    "bb/a/c",  "bb/a-/d",  "bb/a.x",
                                         "bb/a0", "bb/b",  "bb-/b", "c/d/e/f", "c/d/e0/f", "\xc3\xa4/\xc3\xb6"};

}  // namespace

void lists_prefixes(Subject& subject, const Can& can) {
  Calls calls(subject);
  check_keys(list_all(calls, "", 1'000), can, {});
  std::size_t size = 0;
  std::map<std::string, std::size_t> sizes;
  for (const std::string& name : kNames) {
    calls.put(name, bytes_for(0, ++size));
    sizes[calls.key(name)] = size;
  }
  for (const char* const prefix : {"", "a", "a ", "b", "bb", "bb/", "bb/a", "bb/a/", "bb/a/c", "c/d/e", "c/d/e/", "c/",
                                   "\xc3", "\xc3\xa4/", "z", "bb/z", "no/such/folder/", "a/", "a b/c/d"}) {
    CAPTURE(prefix);
    std::vector<std::string> expected;
    for (const std::string& name : kNames) {
      if (name.starts_with(prefix)) {
        expected.push_back(name);
      }
    }
    for (const std::size_t limit : {1'000U, 1U, 2U}) {
      CAPTURE(limit);
      check_keys(list_all(calls, prefix, limit), can, keys_of(calls, expected));
    }
  }
  const auto page = calls.list({});
  REQUIRE(says(page) == "ok");
  for (const auto& item : page->items) {
    CHECK(item.size.value_or(sizes[item.key]) == sizes[item.key]);
  }
}

void lists_pages(Subject& subject, const Can& can) {
  Calls calls(subject);
  std::vector<std::string> names;
  for (int i = 0; i < 60; ++i) {
    names.push_back("f" + std::to_string(i % 7) + "/n" + std::to_string(i * 37 % 60));
    calls.put(names.back(), {});
  }
  const auto expected = keys_of(calls, names);
  for (const std::size_t limit : {1U, 2U, 7U, 59U, 60U, 61U, 1'000U}) {
    CAPTURE(limit);
    const Listing listing = list_all(calls, "", limit);
    check_keys(listing, can, expected);
    CHECK(*std::max_element(listing.sizes.begin(), listing.sizes.end()) <= limit);
    // Pages may be less than full, but then there are not many of them.
    CHECK(listing.sizes.size() <= 2 * (60 / limit + 1) + 7);
  }
}

void lists_meanwhile(Subject& subject, const Can& can) {
  if (!can.write) {
    MESSAGE("skipped: this origin cannot remove");
    return;
  }
  Calls calls(subject);
  for (const std::size_t limit : {1U, 2U, 1'000U}) {
    CAPTURE(limit);
    const std::string place = "limit" + std::to_string(limit) + "/";
    std::vector<std::string> stay, go;
    for (int i = 10; i < 40; ++i) {
      (i % 3 == 0 ? go : stay).push_back(place + "f" + std::to_string(i % 4) + "/n" + std::to_string(i));
    }
    for (const auto& names : {stay, go}) {
      for (const std::string& name : names) {
        calls.put(name, {});
      }
    }
    std::set<std::string> come;
    unsigned page = 0;
    const Listing listing = list_all(calls, place, limit, [&](const std::string& next) {
      // Before, beside and behind; and what a page ended with goes.
      for (const char* const folder : {"e/x", "f1/m", "f1/o", "f2", "g/x"}) {
        const std::string name = place + folder + std::to_string(page % 5);
        calls.put(name, {});
        come.insert(calls.key(name));
      }
      for (const std::string& name : go) {
        if (calls.key(name) == next || page == 3) {
          CHECK(says(calls.remove(name)) == "ok");
        }
      }
      ++page;
    });
    CHECK(listing.outcome == "ok");
    const std::set<std::string> listed(listing.keys.begin(), listing.keys.end());
    CHECK(listed.size() == listing.keys.size());
    for (const std::string& key : keys_of(calls, stay)) {
      CAPTURE(key);
      CHECK(listed.contains(key));
    }
    const auto known = keys_of(calls, stay);
    const auto gone = keys_of(calls, go);
    for (const std::string& key : listed) {
      CHECK((std::binary_search(known.begin(), known.end(), key) || std::binary_search(gone.begin(), gone.end(), key) ||
             come.contains(key)));
    }
  }
}

}  // namespace strandline::origin::conformance
