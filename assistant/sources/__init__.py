"""Retrieved chunks -> the numbered sources of an answer."""
