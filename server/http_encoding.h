#ifndef HTTP_ENCODING_H
#define HTTP_ENCODING_H

#include "http.h"

/**
 * encode_response(q, r): compress an answer where the client asks for it (Accept-Encoding) and it pays: 200, a text,
 * ENCODING_MIN bytes or more.  Sets Content-Encoding, and Vary wherever the header would have made a difference; an
 * ETag becomes a weak one, for the bytes differ from those of the plain answer.
 *
 * What is part of the program is packed once, when it is first asked for, and kept.
 * Cost   gzip_deflate().  Any thread.
 */
enum { ENCODING_MIN = 1024 };

void encode_response(struct request *q, struct response *r);

#endif
