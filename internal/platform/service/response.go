package service

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// Handler answers a request. An error that isn't a Problem is told by ProblemOf.
type Handler func(r *Request) (Response, error)

// Refused is a handler that refuses everything.
func Refused(status int, kind, detail string) Handler {
	return func(*Request) (Response, error) { return Response{}, Refuse(status, kind, "%s", detail) }
}

// From lets only tenants pass whose schema of a service is at a version or above.
func From(name string, since uint64, handle Handler) Handler {
	return func(r *Request) (Response, error) {
		if at := r.Identity.Tenant.Versions[name]; at < since {
			return Response{}, Refuse(http.StatusNotFound, "not-at-this-version", "this tenant's schema is at version %d, and this needs version %d", at, since)
		}
		return handle(r)
	}
}

// Response is an answer. Body is encoded as JSON where it isn't nil, unless it is a json.RawMessage, which is sent as it is; Stream,
// where given, writes the body by itself and as long as it likes.
type Response struct {
	Status int // 0 means 200, or 204 without a body
	Header http.Header
	Body   any
	Stream func(w http.ResponseWriter) error
}

// JSON is an answer with a body.
func JSON(status int, body any) Response { return Response{Status: status, Body: body} }

// Created answers with what was made and where it is.
func Created(at string, body any) Response {
	return Response{Status: http.StatusCreated, Header: http.Header{"Location": {at}}, Body: body}
}

// NoContent answers that it is done.
func NoContent() Response { return Response{Status: http.StatusNoContent} }

func (r Response) write(w http.ResponseWriter) error {
	header := w.Header()
	for name, values := range r.Header {
		header[name] = values
	}
	if r.Stream != nil {
		return r.Stream(w)
	}
	status := r.Status
	if r.Body == nil {
		if status == 0 {
			status = http.StatusNoContent
		}
		w.WriteHeader(status)
		return nil
	}
	body, err := r.Encode()
	if err != nil {
		return err
	}
	if status == 0 {
		status = http.StatusOK
	}
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/json")
	}
	header.Set("Content-Length", strconv.Itoa(len(body))) // else a longer one goes out in chunks
	w.WriteHeader(status)
	_, err = w.Write(body)
	return err
}

// Encode is the body as it is sent.
func (r Response) Encode() ([]byte, error) {
	if raw, is := r.Body.(json.RawMessage); is {
		return raw, nil
	}
	body, err := json.Marshal(r.Body)
	if err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return body, nil
}
