/* http1_test.c: messages that are taken, and those that are refused; whole, byte by byte, and cut in two at each place. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
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

static void expect_heard(struct tl_sv bytes, struct tl_sv want, const char *how, size_t where)
{
    cr_expect(tl_sv_eq(tl_buf_sv(&heard), want), "'%.*s' %s %zu\ngot  %.*s\nwant %.*s", TL_SV_ARG(bytes), how, where,
              TL_SV_ARG(tl_buf_sv(&heard)), TL_SV_ARG(want));
}

/* Whole, byte by byte, and in two parts, wherever they are cut. */
static void check_bytes(struct http1_feed *feed, struct tl_sv bytes, struct tl_sv want)
{
    http1_feed_begin(feed);
    http1_feed_upto(feed, bytes, bytes.size);
    http1_feed_end(feed);
    expect_heard(bytes, want, "whole", 0);

    http1_feed_begin(feed);
    for (size_t i = 1; i <= bytes.size; i++)
        http1_feed_upto(feed, bytes, i);
    http1_feed_end(feed);
    expect_heard(bytes, want, "byte by byte", 0);

    for (size_t cut = 1; cut < bytes.size; cut++) {
        http1_feed_begin(feed);
        http1_feed_upto(feed, bytes, cut);
        http1_feed_upto(feed, bytes, bytes.size);
        http1_feed_end(feed);
        expect_heard(bytes, want, "cut at", cut);
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
