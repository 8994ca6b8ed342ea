package service

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
)

// Page is a part of a list. Next asks for the following one and is empty at the end.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

const (
	defaultPage = 50
	largestPage = 500
)

// List answers with a page of a list: read is given how many items it may return and the key of the last one before the page,
// nil at the beginning; key is an item's.
func List[T, K any](r *Request, read func(limit int, after *K) ([]T, error), key func(T) K) (Response, error) {
	page, err := pageOf(r, read, key)
	return JSON(http.StatusOK, page), err
}

// Row is an item of a list that is JSON already, and its key.
type Row struct {
	JSON json.RawMessage
	Key  string
}

// ListRows is List for such items: they are passed on as they are.
func ListRows(r *Request, read func(limit int, after *string) ([]Row, error)) (Response, error) {
	page, err := pageOf(r, read, func(last Row) string { return last.Key })
	if err != nil {
		return Response{}, err
	}
	size := len(`{"items":[],"next":""}`) + len(page.Next)
	for _, row := range page.Items {
		size += len(row.JSON) + len(",")
	}
	body := append(make([]byte, 0, size), `{"items":[`...)
	for i, row := range page.Items {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, row.JSON...)
	}
	body = append(body, ']')
	if page.Next != "" { // nothing of its alphabet needs a backslash
		body = append(append(append(body, `,"next":"`...), page.Next...), '"')
	}
	return JSON(http.StatusOK, json.RawMessage(append(body, '}'))), nil
}

func pageOf[T, K any](r *Request, read func(limit int, after *K) ([]T, error), key func(T) K) (page Page[T], err error) {
	limit, err := pageSize(r)
	if err != nil {
		return page, err
	}
	after := new(K)
	given, err := cursor(r, after)
	if err != nil {
		return page, err
	}
	if !given {
		after = nil
	}
	found, err := read(limit+1, after) // one more, to know whether there are more
	if err != nil {
		return page, err
	}
	return paged(found, limit, func(last T) any { return key(last) })
}

// pageSize is how many items the caller wants: parameter limit, 1 to 500, 50 where it isn't given.
func pageSize(r *Request) (int, error) {
	text := r.Query("limit")
	if text == "" {
		return defaultPage, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > largestPage {
		return 0, Refuse(http.StatusUnprocessableEntity, "invalid", "limit must be 1 to %d", largestPage)
	}
	return limit, nil
}

// cursor reads where a page begins into the key of the last item before it: parameter after, as paged made it. It tells whether
// there is one.
func cursor(r *Request, key any) (bool, error) {
	text := r.Query("after")
	if text == "" {
		return false, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, key)
	}
	if err != nil {
		return false, Refuse(http.StatusUnprocessableEntity, "invalid", "after isn't what a page gave as next")
	}
	return true, nil
}

// paged makes a page of items of which one more than the limit was read, to know whether there are more.
func paged[T any](items []T, limit int, key func(T) any) (Page[T], error) {
	page := Page[T]{Items: items}
	if page.Items == nil {
		page.Items = []T{}
	}
	if len(items) <= limit {
		return page, nil
	}
	page.Items = items[:limit]
	raw, err := json.Marshal(key(page.Items[limit-1]))
	if err != nil {
		return page, err
	}
	page.Next = base64.RawURLEncoding.EncodeToString(raw)
	return page, nil
}
