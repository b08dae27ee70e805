/* http1_test.c: messages that are taken, and those that are refused; whole, byte by byte, and cut in two at each place. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "support/http1_feed.h"

enum { HEAD_BYTES_MAX = 512 };

struct message_case {
    char bytes[300], want[500]; /* want: what http1_feed.h writes, up to its end */
};

static struct tl_buf heard;

static struct http1_feed feed_open(enum tl_http1_kind kind, size_t head_bytes_max)
{
    struct http1_feed feed = {.kind = kind, .out = &heard};
    struct tl_err err;

    cr_assert_eq(tl_http1_open(kind, head_bytes_max, &feed.http, &err), TL_OK);
    tl_buf_init(&heard, 0);
    return feed;
}

static void feed_close(struct http1_feed *feed)
{
    tl_http1_close(feed->http);
    tl_buf_done(&heard);
}

static bool expect_heard(struct tl_sv bytes, struct tl_sv want, const char *how, size_t where)
{
    bool same = tl_sv_eq(tl_buf_sv(&heard), want);

    cr_expect(same, "'%.*s' %s %zu\ngot  %.*s\nwant %.*s", TL_SV_ARG(bytes), how, where, TL_SV_ARG(tl_buf_sv(&heard)),
              TL_SV_ARG(want));
    return same;
}

/* Whole, byte by byte, and in two parts, wherever they are cut. */
static void check_bytes(struct http1_feed *feed, struct tl_sv bytes, struct tl_sv want)
{
    http1_feed_begin(feed);
    http1_feed_upto(feed, bytes, bytes.size);
    http1_feed_end(feed);
    if (!expect_heard(bytes, want, "whole", 0))
        return;

    http1_feed_begin(feed);
    for (size_t i = 1; i <= bytes.size; i++)
        http1_feed_upto(feed, bytes, i);
    http1_feed_end(feed);
    if (!expect_heard(bytes, want, "byte by byte", 0))
        return;

    for (size_t cut = 1; cut < bytes.size; cut++) {
        http1_feed_begin(feed);
        http1_feed_upto(feed, bytes, cut);
        http1_feed_upto(feed, bytes, bytes.size);
        http1_feed_end(feed);
        if (!expect_heard(bytes, want, "cut at", cut))
            return;
    }
}

static void check_cases(enum tl_http1_kind kind, bool answers_head, const struct message_case *cases, size_t count)
{
    struct http1_feed feed = feed_open(kind, HEAD_BYTES_MAX);

    feed.answers_head = answers_head;
    for (size_t i = 0; i < count; i++)
        check_bytes(&feed, tl_sv_from(cases[i].bytes), tl_sv_from(cases[i].want));
    feed_close(&feed);
}

#define CHECK_CASES(kind, answers_head, cases) check_cases((kind), (answers_head), (cases), TL_COUNT(cases))

#define GET "GET / HTTP/1.1\r\n"
#define HOST "Host: x\r\n"
#define POST "POST / HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define CHUNKED_HEARD "POST / host=x 1.1 chunked|Host:x|Transfer-Encoding:chunked\n["

/* The thirteen of conventions.md, 4a. */
Test(http1, thirteen_hostile_requests)
{
    static const struct message_case cases[] = {
        {POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "refused: 400 Content-Length can't be present with Transfer-Encoding"                                                                                      },
        {POST "Content-Length: 5\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
         "refused: 400 Content-Length can't be present with Transfer-Encoding"                                                                                      },
        {POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",                      "refused: 501 a Transfer-Encoding other than chunked"                       },
        {CHUNKED "0x5\r\nhello\r\n0\r\n\r\n",                                           CHUNKED_HEARD "] refused: 400"                                              },
        {CHUNKED "+5\r\nhello\r\n0\r\n\r\n",                                            CHUNKED_HEARD "] refused: 400"                                              },
        {POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",                   "refused: 400 Duplicate Content-Length"                                     },
        {POST "Content-Length: +5\r\n\r\nhello",                                        "refused: 400 Invalid character in Content-Length"                          },
        {POST "Content-Length : 5\r\n\r\nhello",                                        "refused: 400 Invalid header field char"                                    },
        {"GET / HTTP/1.1\nHost: x\n\n",                                                 "refused: 400 Invalid header value char"                                    },
        {GET "\r\n",                                                                    "refused: 400 no Host header"                                               },
        {GET HOST "Host: y\r\n\r\n",                                                    "refused: 400 two Host headers"                                             },
        {GET HOST "A: b\x01"
                  "c\r\n\r\n",                                                 "refused: 400 Invalid header value char"                                    },
        {GET HOST "A: b\r\n c\r\n\r\n",                                                 "refused: 400 a header that is folded, or whose line does not end with CRLF"},
    };

    CHECK_CASES(TL_HTTP1_REQUEST, false, cases);
}

Test(http1, requests)
{
    static const struct message_case cases[] = {
        {GET HOST "\r\n",                                                                            "GET / host=x 1.1 none|Host:x\n[]\n"                                          },
        {"\r\n" GET HOST "\r\n",                                                                     "GET / host=x 1.1 none|Host:x\n[]\n"                                          },
        {GET "host:\t www.Example.com:8080 \t\r\nX:\r\nY: \t \r\nz:a: b  c\r\n\r\n",
         "GET / host=www.Example.com:8080 1.1 none|host:www.Example.com:8080|X:|Y:|z:a: b  c\n[]\n"                                                                                },
        {"GET / HTTP/1.0\r\n\r\n",                                                                   "GET / host= 1.0 none last\n[]\n"                                             },
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nHost:\r\n\r\n",                                "GET / host= 1.0 none|Connection:Keep-Alive|Host:\n[]\n"                      },
        {"OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",                                             "OPTIONS * host=[::1]:80 1.1 none|Host:[::1]:80\n[]\n"                        },
        {GET HOST "Connection: foo, CLOSE\r\n\r\n",                                                  "GET / host=x 1.1 none last|Host:x|Connection:foo, CLOSE\n[]\n"               },
        {GET HOST "Connection: closed\r\n\r\n",                                                      "GET / host=x 1.1 none|Host:x|Connection:closed\n[]\n"                        },
        {POST "Content-Length: 5\r\nExpect: 100-Continue\r\n\r\nhello",
         "POST / host=x 1.1 length length=5 expect|Host:x|Content-Length:5|Expect:100-Continue\n[hello]\n"                                                                         },
        {POST "Content-Length: 0\r\n\r\n",                                                           "POST / host=x 1.1 length length=0|Host:x|Content-Length:0\n[]\n"             },
        {POST "Content-Length: 5\r\n\r\nhell",                                                       "POST / host=x 1.1 length length=5|Host:x|Content-Length:5\n[hell] unfinished"},
        {POST "\r\n",                                                                                "POST / host=x 1.1 none|Host:x\n[]\n"                                         },
        {CHUNKED "5\r\nhello\r\n11;c=\"d e\"\r\n, this is chunked\r\n0\r\n\r\n",                     CHUNKED_HEARD "hello, this is chunked]\n"                                     },
        {CHUNKED "005;x\r\nhello\r\n0;y\r\nTrailer: one\r\nHost: evil\r\nContent-Length: 7\r\n\r\n", CHUNKED_HEARD "hello]\n"                                                      },
        {CHUNKED "0\r\n\r\n",                                                                        CHUNKED_HEARD "]\n"                                                           },
        {CHUNKED "A\r\n0123456789\r\na\r\n",                                                         CHUNKED_HEARD "0123456789] unfinished"                                        },
        {GET HOST "Upgrade: h2c, WebSocket\r\nConnection: keep-alive, Upgrade\r\n\r\n",
         "GET / host=x 1.1 none websocket|Host:x|Upgrade:h2c, WebSocket|Connection:keep-alive, Upgrade\n[]\n"                                                                      },
        {GET HOST "Upgrade: websocket\r\n\r\n",                                                      "GET / host=x 1.1 none|Host:x|Upgrade:websocket\n[]\n"                        },
        {GET HOST "A: \xff\xfe\x80 \xc3\xa9\r\n\r\n",                                                "GET / host=x 1.1 none|Host:x|A:\xff\xfe\x80 \xc3\xa9\n[]\n"                  },
        {"PATCH /a?b=%20&c[]={\"d\"} HTTP/1.1\r\nHost: x\r\n\r\n",                                   "PATCH /a?b=%20&c[]={\"d\"} host=x 1.1 none|Host:x\n[]\n"                     },
        {"",                                                                                         ""                                                                            },
        {"\r\n",                                                                                     ""                                                                            },
        {"GET / HTTP/1.1\r\nHost: x\r\n",                                                            "unfinished"                                                                  },
    };

    CHECK_CASES(TL_HTTP1_REQUEST, false, cases);
}

Test(http1, one_after_the_other_on_a_connection)
{
    static const struct message_case cases[] = {
        {POST "Content-Length: 3\r\n\r\nabc" GET HOST "\r\n\r\n" CHUNKED "1\r\nz\r\n0\r\n\r\n" GET "\r\n",
         "POST / host=x 1.1 length length=3|Host:x|Content-Length:3\n[abc]\n"
         "GET / host=x 1.1 none|Host:x\n[]\n" CHUNKED_HEARD "z]\n"
         "refused: 400 no Host header"                                                                                                                          },
 /* What would be another protocol's is still HTTP, until somebody says 101. */
        {GET HOST "Upgrade: foo\r\nConnection: upgrade\r\n\r\n" GET HOST "\r\n",
         "GET / host=x 1.1 none|Host:x|Upgrade:foo|Connection:upgrade\n[]\n"
         "GET / host=x 1.1 none|Host:x\n[]\n"                                                                                                                   },
        {POST "Upgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nab" GET HOST "\r\n",
         "POST / host=x 1.1 length length=2|Host:x|Upgrade:h2c|Connection:upgrade|Content-Length:2\n[ab]\n"
         "GET / host=x 1.1 none|Host:x\n[]\n"                                                                                                                   },
 /* Not ours to say what a client meant that sends more than it said it would. */
        {POST "Content-Length: 1\r\n\r\nabc" GET,                                                          "POST / host=x 1.1 length length=1|Host:x|Content-Length:1\n[a]\n"
                                                  "refused: 400 a first line that does not begin with a method"},
    };

    CHECK_CASES(TL_HTTP1_REQUEST, false, cases);
}

Test(http1, refused_requests)
{
    static const struct message_case cases[] = {
  /* the first line */
        {"\r\n\r\n" GET HOST "\r\n",                                                       "refused: 400 empty lines before the first line"                                 },
        {"\n" GET HOST "\r\n",                                                             "refused: 400 empty lines before the first line"                                 },
        {"\r" GET HOST "\r\n",                                                             "refused: 400 a line that does not end with CRLF"                                },
        {" " GET HOST "\r\n",                                                              "refused: 400 a first line that does not begin with a method"                    },
        {"get / HTTP/1.1\r\nHost: x\r\n\r\n",                                              "refused: 400 a first line that does not begin with a method"                    },
        {"Get / HTTP/1.1\r\nHost: x\r\n\r\n",                                              "refused: 400 a first line that does not begin with a method"                    },
        {"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",                                             "refused: 501 a method that is not known here"                                   },
        {"GETS / HTTP/1.1\r\nHost: x\r\n\r\n",                                             "refused: 501 a method that is not known here"                                   },
        {"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n",                                             "refused: 400 a first line that does not begin with a method"                    },
        {"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",                                             "refused: 400 a first line that does not end with HTTP/1.1"                      },
        {"GET /  HTTP/1.1\r\nHost: x\r\n\r\n",                                             "refused: 400 a first line that does not end with HTTP/1.1"                      },
        {"GET / a HTTP/1.1\r\nHost: x\r\n\r\n",                                            "refused: 400 Expected HTTP/"                                                    },
        {"GET / HTTP/1.1 \r\nHost: x\r\n\r\n",                                             "refused: 400 a first line that does not end with HTTP/1.1"                      },
        {"GET / HTTP/1.1\nHost: x\r\n\r\n",                                                "refused: 400 a line that does not end with CRLF"                                },
        {"GET / HTTP/1.1\rHost: x\r\n\r\n",                                                "refused: 400 a first line that does not end with HTTP/1.1"                      },
        {"GET / http/1.1\r\nHost: x\r\n\r\n",                                              "refused: 400 Expected HTTP/"                                                    },
        {"GET /\r\n",                                                                      "unfinished"                                                                     },
        {"GET /\r\n\r\n",                                                                  "refused: 400 a first line that does not end with HTTP/1.1"                      },
        {"GET / HTTP/0.9\r\n\r\n",                                                         "refused: 505 a version of HTTP other than 1.0 and 1.1"                          },
        {"GET / HTTP/1.2\r\nHost: x\r\n\r\n",                                              "refused: 505 a version of HTTP other than 1.0 and 1.1"                          },
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n",                                              "refused: 505 a version of HTTP other than 1.0 and 1.1"                          },
        {"GET / HTTP/3.0\r\nHost: x\r\n\r\n",                                              "refused: 505 a version of HTTP other than 1.0 and 1.1"                          },
        {"GET / HTTP/01.1\r\nHost: x\r\n\r\n",                                             "refused: 400 a first line that does not end with HTTP/1.1"                      },
        {"GET / HTTP/1.10\r\nHost: x\r\n\r\n",                                             "refused: 400 a first line that does not end with HTTP/1.1"                      },
        {"GET / RTSP/1.0\r\nHost: x\r\n\r\n",                                              "refused: 400 a first line that does not end with HTTP/1.1"                      },
        {"SOURCE / ICE/1.0\r\nHost: x\r\n\r\n",                                            "refused: 400 a first line that does not end with HTTP/1.1"                      },
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",                                               "refused: 505 the preface of HTTP/2"                                             },
        {"PRI * HTTP/1.1\r\nHost: x\r\n\r\n",                                              "refused: 400 a first line that does not end with HTTP/1.1"                      },
        {"\x16\x03\x01\x02",                                                               "refused: 400 a first line that does not begin with a method"                    }, /* TLS */
  /* the target */
        {"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",                                      "refused: 400 a target that does not begin with /"                               },
        {"GET x HTTP/1.1\r\nHost: x\r\n\r\n",                                              "refused: 400 a target that does not begin with /, or has a byte that no URL has"},
        {"GET x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
         "refused: 400 a target that does not begin with /, or has a byte that no URL has"                                                                                  },
        {"GET ?a HTTP/1.1\r\nHost: x\r\n\r\n",                                             "refused: 400 a target that does not begin with /, or has a byte that no URL has"},
        {"GET * HTTP/1.1\r\nHost: x\r\n\r\n",                                              "refused: 400 the target *, which only OPTIONS has"                              },
        {"OPTIONS *a HTTP/1.1\r\nHost: x\r\n\r\n",                                         "refused: 400 a target that does not begin with /"                               },
        {"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n",                                    "refused: 405 CONNECT, which is for proxies of another kind"                     },
        {"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",                                           "refused: 400 a target with a fragment (#)"                                      },
        {"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
         "refused: 400 a target that does not begin with /, or has a byte that no URL has"                                                                                  },
        {"GET /a\tb HTTP/1.1\r\nHost: x\r\n\r\n",
         "refused: 400 a target that does not begin with /, or has a byte that no URL has"                                                                                  },
 /* Host */
        {GET "Host:\r\n\r\n",                                                              "refused: 400 an empty Host header"                                              },
        {GET "Host: x\r\nHost: x\r\n\r\n",                                                 "refused: 400 two Host headers"                                                  },
        {"GET / HTTP/1.0\r\nHost: x\r\nhost: y\r\n\r\n",                                   "refused: 400 two Host headers"                                                  },
        {"GET / HTTP/1.0\r\nHost: a b\r\n\r\n",                                            "refused: 400 a Host header that is no name or address with at most a port"      },
 /* header lines */
        {GET " Host: x\r\n\r\n",                                                           "refused: 400 Unexpected space after start line"                                 },
        {GET "\tHost: x\r\n\r\n",                                                          "refused: 400 Invalid header token"                                              },
        {GET HOST ": b\r\n\r\n",                                                           "refused: 400 a header without a name"                                           },
        {GET HOST "a\r\n\r\n",                                                             "refused: 400 Invalid header token"                                              },
        {GET HOST "a : b\r\n\r\n",                                                         "refused: 400 Invalid header token"                                              },
        {GET HOST "a\t: b\r\n\r\n",                                                        "refused: 400 Invalid header token"                                              },
        {GET HOST "a b: c\r\n\r\n",                                                        "refused: 400 Invalid header token"                                              },
        {GET HOST "a: b\nc: d\r\n\r\n",                                                    "refused: 400 Invalid header value char"                                         },
        {GET HOST "a: b\rc: d\r\n\r\n",                                                    "refused: 400 Missing expected LF after header value"                            },
        {GET HOST "a:\nc: d\r\n\r\n",                                                      "refused: 400 Invalid header value char"                                         },
        {GET HOST "a:\rc: d\r\n\r\n",                                                      "refused: 400 Expected LF after CR"                                              },
        {GET HOST "a:\r\n b\r\n\r\n",                                                      "refused: 400 a header that is folded, or whose line does not end with CRLF"     },
        {GET HOST "a: b\r\n\tc\r\n\r\n",                                                   "refused: 400 a header that is folded, or whose line does not end with CRLF"     },
        {GET "Host: x\r\n \r\n\r\n",                                                       "refused: 400 a header that is folded, or whose line does not end with CRLF"     },
        {GET HOST "\n",                                                                    "refused: 400 a line that does not end with CRLF"                                },
        {GET HOST "\r\r\n",                                                                "refused: 400 Expected LF after headers"                                         },
 /* how long the body is */
        {POST "Content-Length:\r\n\r\n",                                                   "refused: 400 Empty Content-Length"                                              },
        {POST "Content-Length: -1\r\n\r\n",                                                "refused: 400 Invalid character in Content-Length"                               },
        {POST "Content-Length: 0x5\r\n\r\n",                                               "refused: 400 Invalid character in Content-Length"                               },
        {POST "Content-Length: 5, 5\r\n\r\nhello",                                         "refused: 400 Invalid character in Content-Length"                               },
        {POST "Content-Length: 5 5\r\n\r\nhello",                                          "refused: 400 Invalid character in Content-Length"                               },
        {POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",                       "refused: 400 Duplicate Content-Length"                                          },
        {POST "Content-Length: 5\r\n 6\r\n\r\nhello",                                      "refused: 400 Duplicate Content-Length"                                          },
        {POST "Content-Length:\r\n 5\r\n\r\nhello",                                        "refused: 400 a header that is folded, or whose line does not end with CRLF"     },
        {POST "Content-Length: 9223372036854775808\r\n\r\n",                               "refused: 400 Content-Length is no number of bytes"                              },
        {POST "Content-Length: 18446744073709551616\r\n\r\n",                              "refused: 400 Content-Length overflow"                                           },
        {POST "Content-Length: 5\x0b\r\n\r\n",                                             "refused: 400 Invalid character in Content-Length"                               },
        {POST "Content_Length: 5\r\n\r\nhello",                                            "refused: 400 Content_Length, which reads like Content-Length to some"           },
        {POST "Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n",
         "refused: 400 Transfer_Encoding, which reads like Transfer-Encoding to some"                                                                                       },
        {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "refused: 400 Invalid `Transfer-Encoding` header value"                                                                                                            },
        {POST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
         "refused: 501 a Transfer-Encoding other than chunked"                                                                                                              },
        {POST "Transfer-Encoding: chunked, identity\r\n\r\n",                              "refused: 400 Invalid `Transfer-Encoding` header value"                          },
        {POST "Transfer-Encoding: identity\r\n\r\n",                                       "refused: 501 a Transfer-Encoding other than chunked"                            },
        {POST "Transfer-Encoding: xchunked\r\n\r\n",                                       "refused: 501 a Transfer-Encoding other than chunked"                            },
        {POST "Transfer-Encoding: chunkedx\r\n\r\n",                                       "refused: 501 a Transfer-Encoding other than chunked"                            },
        {POST "Transfer-Encoding: \"chunked\"\r\n\r\n",                                    "refused: 501 a Transfer-Encoding other than chunked"                            },
        {POST "Transfer-Encoding: chunked;q=1\r\n\r\n",                                    "refused: 501 a Transfer-Encoding other than chunked"                            },
        {POST "Transfer-Encoding:\r\n\r\n",                                                "refused: 501 a Transfer-Encoding other than chunked"                            },
        {POST "Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n",                             "refused: 400 a length that could be read in two ways"                           },
        {POST "Transfer-Encoding:\x0b"
              "chunked\r\n\r\n",                                                  "refused: 400 Invalid header value char"                                         },
        {POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
         "refused: 400 a header that is folded, or whose line does not end with CRLF"                                                                                       },
        {"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "refused: 400 Transfer-Encoding in HTTP/1.0"                                                                                                                       },
    };

    CHECK_CASES(TL_HTTP1_REQUEST, false, cases);
}

Test(http1, refused_chunks)
{
    static const struct message_case cases[] = {
        {CHUNKED "\r\n",                       CHUNKED_HEARD "] refused: 400" },
        {CHUNKED ";a\r\n",                     CHUNKED_HEARD "] refused: 400" },
        {CHUNKED "-1\r\n",                     CHUNKED_HEARD "] refused: 400" },
        {CHUNKED " 1\r\nz\r\n",                CHUNKED_HEARD "] refused: 400" },
        {CHUNKED "1 \r\nz\r\n",                CHUNKED_HEARD "] refused: 400" },
        {CHUNKED "1 ;a\r\nz\r\n",              CHUNKED_HEARD "] refused: 400" },
        {CHUNKED "1; a\r\nz\r\n",              CHUNKED_HEARD "] refused: 400" },
        {CHUNKED "1g\r\nz\r\n",                CHUNKED_HEARD "] refused: 400" },
        {CHUNKED "1\nz\r\n",                   CHUNKED_HEARD "] refused: 400" },
        {CHUNKED "1\rz\r\n",                   CHUNKED_HEARD "] refused: 400" },
        {CHUNKED "1;a\nz\r\n",                 CHUNKED_HEARD "] refused: 400" },
        {CHUNKED "1;a=\"\n\"\r\nz\r\n",        CHUNKED_HEARD "] refused: 400" },
        {CHUNKED "1\r\nz\n1\r\nz\r\n",         CHUNKED_HEARD "z] refused: 400"},
        {CHUNKED "1\r\nzz\r\n",                CHUNKED_HEARD "z] refused: 400"},
        {CHUNKED "1\r\nz\rz",                  CHUNKED_HEARD "z] refused: 400"},
        {CHUNKED "10000000000000000\r\nz\r\n", CHUNKED_HEARD "] refused: 400" },
        {CHUNKED "ffffffffffffffff\r\nz",      CHUNKED_HEARD "z] unfinished"  },
        {CHUNKED "0\r\n\n",                    CHUNKED_HEARD "] refused: 400" },
        {CHUNKED "0\n\r\n",                    CHUNKED_HEARD "] refused: 400" },
        {CHUNKED "0\r\nA: b\n\r\n",            CHUNKED_HEARD "] refused: 400" },
        {CHUNKED "0\r\nA: b\r\n\n",            CHUNKED_HEARD "] refused: 400" },
        {CHUNKED "0\r\n: b\r\n\r\n",           CHUNKED_HEARD "] refused: 400" },
        {CHUNKED "0\r\nA: b\r\n c\r\n\r\n",    CHUNKED_HEARD "] refused: 400" },
        {CHUNKED "0\r\nA:\r\n\tc\r\n\r\n",     CHUNKED_HEARD "] refused: 400" },
        {CHUNKED "0\r\nA : b\r\n\r\n",         CHUNKED_HEARD "] refused: 400" },
        {CHUNKED "0\r\nA: b\x01\r\n\r\n",      CHUNKED_HEARD "] refused: 400" },
        {CHUNKED "0\r\nA\r\n\r\n",             CHUNKED_HEARD "] refused: 400" },
    };

    CHECK_CASES(TL_HTTP1_REQUEST, false, cases);
}

#define OK "HTTP/1.1 200 OK\r\n"

Test(http1, responses)
{
    static const struct message_case cases[] = {
        {OK "content-length: 2\r\n\r\nhi",                                                                           "200 OK 1.1 length length=2|content-length:2\n[hi]\n"          },
        {OK "\r\nall that comes",                                                                                    "200 OK 1.1 close last\n[all that comes]\n"                    },
        {OK "\r\n",                                                                                                  "200 OK 1.1 close last\n[]\n"                                  },
        {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",                                                           "200 OK 1.0 length length=2 last|Content-Length:2\n[hi]\n"     },
        {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhi",
         "200 OK 1.0 length length=2|Content-Length:2|Connection:keep-alive\n[hi]\n"                                                                                                },
        {OK "Transfer-Encoding: Chunked\r\nConnection: close\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
         "200 OK 1.1 chunked last|Transfer-Encoding:Chunked|Connection:close\n[hi]\n"                                                                                               },
        {OK "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",                                                         "200 OK 1.1 chunked|Transfer-Encoding:chunked\n[hi] unfinished"},
        {OK "Content-Length: 5\r\n\r\nhi",                                                                           "200 OK 1.1 length length=5|Content-Length:5\n[hi] unfinished" },
 /* what servers leave out or put in */
        {"HTTP/1.1 204\r\n\r\n",                                                                                     "204  1.1 none\n[]\n"                                          },
        {"HTTP/1.1 204 \r\n\r\n",                                                                                    "204  1.1 none\n[]\n"                                          },
        {"HTTP/1.1 999 Request denied\r\nContent-Length: 0\r\n\r\n",
         "999 Request denied 1.1 length length=0|Content-Length:0\n[]\n"                                                                                                            },
        {"HTTP/1.1 404 Nicht gefunden \xc3\xa4\t!\r\nContent-Length: 0\r\n\r\n",
         "404 Nicht gefunden \xc3\xa4\t! 1.1 length length=0|Content-Length:0\n[]\n"                                                                                                },
 /* no body, whatever they say */
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n" OK "Content-Length: 0\r\n\r\n",
         "304 Not Modified 1.1 none length=7|Content-Length:7\n[]\n200 OK 1.1 length length=0|Content-Length:0\n[]\n"                                                               },
        {"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
         "304 Not Modified 1.1 none|Transfer-Encoding:chunked\n[]\n"                                                                                                                },
        {"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",                                                     "204 No Content 1.1 none length=0|Content-Length:0\n[]\n"      },
        {"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n",                                                     "204 No Content 1.1 none length=7 last|Content-Length:7\n[]\n" },
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" OK "Content-Length: 1\r\n\r\nz",
         "100 Continue 1.1 none\n[]\n103 Early Hints 1.1 none|Link:a\n[]\n200 OK 1.1 length length=1|Content-Length:1\n[z]\n"                                                       },
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
         "101 Switching Protocols 1.1 none|Upgrade:websocket|Connection:Upgrade\n[]\n"                                                                                              },
        {OK "Upgrade: h2\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nhi",
         "200 OK 1.1 length length=2|Upgrade:h2|Connection:upgrade|Content-Length:2\n[hi]\n"                                                                                        },
    };

    CHECK_CASES(TL_HTTP1_RESPONSE, false, cases);
}

Test(http1, responses_to_head)
{
    static const struct message_case cases[] = {
        {"HTTP/1.1 103 Early Hints\r\n\r\n" OK "Content-Length: 7\r\n\r\n",
         "103 Early Hints 1.1 none\n[]\n200 OK 1.1 none length=7|Content-Length:7\n[]\n"},
        {OK "Transfer-Encoding: chunked\r\n\r\n" OK "\r\n",
         "200 OK 1.1 none|Transfer-Encoding:chunked\n[]\n200 OK 1.1 none\n[]\n"         },
    };

    CHECK_CASES(TL_HTTP1_RESPONSE, true, cases);
}

Test(http1, refused_responses)
{
    static const struct message_case cases[] = {
        {"\r\n" OK "\r\n",                                                      "refused: 400 empty lines before the first line"                               },
        {"HTTP/2.0 200 OK\r\n\r\n",                                             "refused: 505 a version of HTTP other than 1.0 and 1.1"                        },
        {"HTTP/1.2 200 OK\r\n\r\n",                                             "refused: 505 a version of HTTP other than 1.0 and 1.1"                        },
        {"http/1.1 200 OK\r\n\r\n",                                             "refused: 400 Expected HTTP/"                                                  },
        {"HTTP/1.1  200 OK\r\n\r\n",                                            "refused: 400 a status that is no number from 100 to 999"                      },
        {"HTTP/1.1 20 OK\r\n\r\n",                                              "refused: 400 a status that is no number from 100 to 999"                      },
        {"HTTP/1.1 099 OK\r\n\r\n",                                             "refused: 400 a status that is no number from 100 to 999"                      },
        {"HTTP/1.1 0200 OK\r\n\r\n",                                            "refused: 400 a status that is no number from 100 to 999"                      },
        {"HTTP/1.1 2000 OK\r\n\r\n",                                            "refused: 400 Response overflow"                                               },
        {"HTTP/1.1 200 O\x01K\r\n\r\n",                                         "refused: 400 a control character in the reason phrase"                        },
        {"HTTP/1.1 200 OK\n\r\n",                                               "refused: 400 a line that does not end with CRLF"                              },
        {OK "A: b\r\n c\r\n\r\n",                                               "refused: 400 a header that is folded, or whose line does not end with CRLF"   },
        {OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",                   "refused: 400 Duplicate Content-Length"                                        },
        {OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         "refused: 400 Content-Length can't be present with Transfer-Encoding"                                                                                 },
        {OK "Transfer-Encoding: gzip, chunked\r\n\r\n",                         "refused: 501 a Transfer-Encoding other than chunked"                          },
        {OK "Transfer-Encoding: chunked, gzip\r\n\r\n",                         "refused: 501 a Transfer-Encoding other than chunked"                          },
        {OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "refused: 400 two Transfer-Encoding headers"                                   },
        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",               "refused: 400 Transfer-Encoding in HTTP/1.0"                                   },
        {OK "Content-Length: 1\r\n\r\naSTRAY",                                  "200 OK 1.1 length length=1|Content-Length:1\n[a]\nrefused: 400 Expected HTTP/"},
    };

    CHECK_CASES(TL_HTTP1_RESPONSE, false, cases);
}

struct host_case {
    char host[80];
    bool taken;
};

Test(http1, hosts)
{
    static const struct host_case cases[] = {
        {"www.example.com",         true },
        {"WWW.Example.com:443",     true },
        {"under_score-dash~tilde.", true },
        {"127.0.0.1:8080",          true },
        {"xn--bcher-kva.example",   true },
        {"[::1]",                   true },
        {"[2001:db8::1]:65535",     true },
        {"[::ffff:192.0.2.1]",      true },
        {"x:",                      false},
        {"x:65536",                 false},
        {"x:8080x",                 false},
        {"x:+1",                    false},
        {":80",                     false},
        {"x:80:80",                 false},
        {"a,b",                     false},
        {"a b",                     false},
        {"a\tb",                    false},
        {"user@x",                  false},
        {"x/y",                     false},
        {"x?y",                     false},
        {"x#y",                     false},
        {"x\\y",                    false},
        {"x%2fy",                   false},
        {"b\xc3\xbc"
         "cher",           false},
        {"http://x",                false},
        {"::1",                     false},
        {"[::1",                    false},
        {"[]",                      false},
        {"[::1]x",                  false},
        {"[::1]:",                  false},
        {"[127.0.0.1]",             false},
        {"[127.0.0.1:80]",          false},
        {"[fe80::1%eth0]",          false},
        {"[v1.a]",                  false},
    };

    struct http1_feed feed = feed_open(TL_HTTP1_REQUEST, HEAD_BYTES_MAX);
    struct tl_buf bytes, want;

    tl_buf_init(&bytes, 0);
    tl_buf_init(&want, 0);
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        const char *host = cases[i].host;

        tl_buf_clear(&bytes);
        tl_buf_clear(&want);
        tl_buf_printf(&bytes, GET "Host: %s\r\n\r\n", host);
        if (cases[i].taken)
            tl_buf_printf(&want, "GET / host=%s 1.1 none|Host:%s\n[]\n", host, host);
        else
            tl_buf_put_str(&want, "refused: 400 a Host header that is no name or address with at most a port");
        check_bytes(&feed, tl_buf_sv(&bytes), tl_buf_sv(&want));
    }
    tl_buf_done(&bytes);
    tl_buf_done(&want);
    feed_close(&feed);
}

/* ---- each byte in each place ---- */

static bool is_token_byte(int byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

static bool is_value_byte(int byte)
{
    return byte == '\t' || (byte >= ' ' && byte != 0x7f);
}

static bool is_target_byte(int byte)
{
    return byte > ' ' && byte < 0x7f && byte != '#';
}

struct place_case {
    char before[100], behind[60];
    enum tl_http1_kind kind;
    bool (*is_fine)(int byte);
};

static const struct place_case places[] = {
    {"GET /a",                       "b HTTP/1.1\r\nHost: x\r\n\r\n",  TL_HTTP1_REQUEST,  is_target_byte},
    {GET HOST "a",                   "b: c\r\n\r\n",                   TL_HTTP1_REQUEST,  is_token_byte },
    {GET HOST,                       "b: c\r\n\r\n",                   TL_HTTP1_REQUEST,  is_token_byte },
    {GET HOST "Transfer-Encodin",    "g: c\r\n\r\n",                   TL_HTTP1_REQUEST,  is_token_byte },
    {GET HOST "a: b",                "c\r\n\r\n",                      TL_HTTP1_REQUEST,  is_value_byte },
    {GET HOST "a: ",                 "c\r\n\r\n",                      TL_HTTP1_REQUEST,  is_value_byte },
    {GET HOST "a: b",                "\r\n\r\n",                       TL_HTTP1_REQUEST,  is_value_byte },
    {GET HOST "Connection: clos",    "e\r\n\r\n",                      TL_HTTP1_REQUEST,  is_value_byte },
    {GET HOST "Upgrade: a",          "e\r\n\r\n",                      TL_HTTP1_REQUEST,  is_value_byte },
    {CHUNKED "1;a",                  "b\r\nz\r\n0\r\n\r\n",            TL_HTTP1_REQUEST,  NULL          },
    {CHUNKED "0\r\na",               "b: c\r\n\r\n",                   TL_HTTP1_REQUEST,  is_token_byte },
    {CHUNKED "0\r\na: b",            "c\r\n\r\n",                      TL_HTTP1_REQUEST,  is_value_byte },
    {"HTTP/1.1 200 a",               "b\r\nContent-Length: 0\r\n\r\n", TL_HTTP1_RESPONSE, is_value_byte },
    {OK "Content-Length: 0\r\na",    "b: c\r\n\r\n",                   TL_HTTP1_RESPONSE, is_token_byte },
    {OK "Content-Length: 0\r\na: b", "c\r\n\r\n",                      TL_HTTP1_RESPONSE, is_value_byte },
};

static void check_place(struct http1_feed *feed, const struct place_case *c)
{
    size_t at = strlen(c->before);
    char bytes[200];

    for (int byte = 0; byte < 256; byte++) {
        size_t size = (size_t)snprintf(bytes, sizeof bytes, "%s?%s", c->before, c->behind);
        bool fine, wanted = c->is_fine != NULL ? c->is_fine(byte) : is_token_byte(byte) || byte == ';' || byte == '=';

        bytes[at] = (char)byte;
        if (c->is_fine == is_token_byte && byte == ':')
            continue; /* another header */
        http1_feed_begin(feed);
        for (size_t i = 1; i <= size; i++)
            http1_feed_upto(feed, (struct tl_sv){bytes, size}, i);
        http1_feed_end(feed);
        fine = heard.size >= 2 && memcmp(heard.data + heard.size - 2, "]\n", 2) == 0;
        cr_expect_eq(fine, wanted, "'%s' %02x: %.*s", c->before, (unsigned)byte, TL_SV_ARG(tl_buf_sv(&heard)));
    }
}

Test(http1, each_byte_in_each_place)
{
    for (size_t i = 0; i < TL_COUNT(places); i++) {
        struct http1_feed feed = feed_open(places[i].kind, HEAD_BYTES_MAX);

        check_place(&feed, &places[i]);
        feed_close(&feed);
    }
}

/* ---- limits ---- */

static void put_many(struct tl_buf *buf, char byte, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tl_buf_put_u8(buf, (uint8_t)byte);
}

Test(http1, a_head_has_its_limit)
{
    struct http1_feed feed = feed_open(TL_HTTP1_REQUEST, HEAD_BYTES_MAX);
    struct tl_buf bytes, want;
    const size_t plain = sizeof(GET HOST "a: \r\n\r\n") - 1;

    tl_buf_init(&bytes, 0);
    tl_buf_init(&want, 0);
    for (size_t more = 0; more < 2; more++) {
        tl_buf_clear(&bytes);
        tl_buf_put_str(&bytes, GET HOST "a: ");
        put_many(&bytes, 'b', HEAD_BYTES_MAX - plain + more);
        tl_buf_put_str(&bytes, "\r\n\r\n");
        tl_buf_clear(&want);
        tl_buf_printf(&want, "GET / host=x 1.1 none|Host:x|a:");
        put_many(&want, 'b', HEAD_BYTES_MAX - plain);
        tl_buf_put_str(&want, "\n[]\n");
        check_bytes(&feed, tl_buf_sv(&bytes), more == 0 ? tl_buf_sv(&want) : TL_SV("refused: 431 a head that is too large"));
    }
    tl_buf_clear(&bytes);
    tl_buf_put_str(&bytes, "GET /");
    put_many(&bytes, 'a', HEAD_BYTES_MAX);
    tl_buf_put_str(&bytes, " HTTP/1.1\r\nHost: x\r\n\r\n");
    check_bytes(&feed, tl_buf_sv(&bytes), TL_SV("refused: 414 a target that is too long"));
    tl_buf_done(&bytes);
    tl_buf_done(&want);
    feed_close(&feed);
}

Test(http1, so_many_headers_and_no_more)
{
    struct http1_feed feed = feed_open(TL_HTTP1_REQUEST, 4096);
    struct tl_buf bytes;

    tl_buf_init(&bytes, 0);
    tl_buf_put_str(&bytes, GET HOST);
    for (size_t i = 1; i < TL_HTTP1_HEADERS_MAX; i++)
        tl_buf_put_str(&bytes, "a:b\r\n");
    http1_feed_begin(&feed);
    tl_buf_put_str(&bytes, "\r\n");
    http1_feed_upto(&feed, tl_buf_sv(&bytes), bytes.size);
    cr_expect_eq(feed.messages, 1);
    bytes.size -= 2;
    tl_buf_put_str(&bytes, "a:b\r\n\r\n");
    check_bytes(&feed, tl_buf_sv(&bytes), TL_SV("refused: 431 too many headers"));
    tl_buf_done(&bytes);
    feed_close(&feed);
}

Test(http1, what_frames_chunks_has_its_limit)
{
    struct http1_feed feed = feed_open(TL_HTTP1_REQUEST, HEAD_BYTES_MAX);
    struct tl_buf bytes;

    tl_buf_init(&bytes, 0);
    for (size_t kind = 0; kind < 3; kind++) {
        tl_buf_clear(&bytes);
        tl_buf_put_str(&bytes, CHUNKED);
        tl_buf_put_str(&bytes, kind == 0 ? "1;" : kind == 1 ? "" : "0\r\na:");
        put_many(&bytes, kind == 0 ? 'a' : '0', HEAD_BYTES_MAX);
        tl_buf_put_str(&bytes, kind == 2 ? "\r\n\r\n" : "1\r\nz\r\n0\r\n\r\n");
        check_bytes(&feed, tl_buf_sv(&bytes), TL_SV(CHUNKED_HEARD "] refused: 400"));
    }
    tl_buf_done(&bytes);
    feed_close(&feed);
}

/* ---- what is read out of a head ---- */

Test(http1, headers_are_found_by_name)
{
    static const struct tl_http1_header headers[] = {
        {{"Accept", 6}, {"a", 1}          },
        {{"VARY", 4},   {"x , Y,\tz", 8}  },
        {{"accept", 6}, {"b", 1}          },
        {{"Vary", 4},   {", , last w", 10}},
    };
    const struct tl_http1_head head = {.headers = headers, .headers_count = TL_COUNT(headers)};

    cr_expect_eq(tl_http1_find(&head, TL_SV("accept")), &headers[0]);
    cr_expect_null(tl_http1_find(&head, TL_SV("accep")));
    cr_expect(tl_http1_has_token(&head, TL_SV("vary"), TL_SV("y")));
    cr_expect(tl_http1_has_token(&head, TL_SV("vary"), TL_SV("Z")));
    cr_expect(tl_http1_has_token(&head, TL_SV("vary"), TL_SV("last w")));
    cr_expect(!tl_http1_has_token(&head, TL_SV("vary"), TL_SV("last")));
    cr_expect(!tl_http1_has_token(&head, TL_SV("accept"), TL_SV("x")));
}

Test(http1, a_parser_serves_one_connection_after_the_other)
{
    struct http1_feed feed = feed_open(TL_HTTP1_REQUEST, HEAD_BYTES_MAX);
    static const char *const begun[] = {GET "Ho", CHUNKED "5\r\nhe", "broken", POST "Content-Length: 9\r\n\r\nabc"};

    for (size_t i = 0; i < TL_COUNT(begun); i++) {
        http1_feed_begin(&feed);
        http1_feed_upto(&feed, tl_sv_from(begun[i]), strlen(begun[i]));
        check_bytes(&feed, TL_SV(GET HOST "\r\n"), TL_SV("GET / host=x 1.1 none|Host:x\n[]\n"));
    }
    feed_close(&feed);
}
