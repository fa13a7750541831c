"""The real SDKs of OpenAI and Anthropic, through the gateway: run by python.sh, from the root."""

import json
import os
import subprocess
import sys
import unittest
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import anthropic
import openai

TARGET = os.environ.get("CARGO_TARGET_DIR", "target")
ASK = [{"role": "user", "content": "How will the weather be?"}]
FUNCTION = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}


def start(*command, **environment):
    """Starts a program that says on its first line where it is."""
    clean = {name: value for name, value in os.environ.items() if "API_KEY" not in name}
    return subprocess.Popen(command, env=clean | environment, text=True, bufsize=1,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


class Gateway(unittest.TestCase):
    def setUp(self):
        self.provider = start(f"{TARGET}/debug/examples/provider")
        self.addCleanup(self.stop, self.provider)
        self.root = self.provider.stdout.readline().strip()
        self.assertTrue(self.root, "the stand-in has not started")

    def open(self, *words):
        gateway = start(f"{TARGET}/debug/bursar-gateway", "--listen", "127.0.0.1:0", *words,
                        BURSAR_OPENAI_BASE_URL=self.root + "/v1", BURSAR_ANTHROPIC_BASE_URL=self.root)
        self.addCleanup(self.stop, gateway)
        self.url = gateway.stdout.readline().split()[-1].removesuffix("/v1")
        headers = {"x-bursar-account": "python/tests"}
        self.openai = openai.OpenAI(base_url=self.url + "/v1", api_key="sk-1", default_headers=headers)
        self.anthropic = anthropic.Anthropic(base_url=self.url, api_key="sk-2", default_headers=headers)
        self.addCleanup(self.openai.close)
        self.addCleanup(self.anthropic.close)

    @staticmethod
    def stop(process):
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()

    def bill(self):
        """What the provider has billed, in picodollars, and how many requests it has seen."""
        self.provider.stdin.write("bill\n")
        billed, requests = self.provider.stdout.readline().split()
        return int(billed), int(requests)

    def account(self, path="python/tests"):
        with urllib.request.urlopen(self.url + "/report") as report:
            accounts = json.load(report)["accounts"]
        return next(account for account in accounts if account["account"] == path)

    def spent(self):
        return int(Decimal(self.account()["spent"]) * 10**12)

    def assert_even(self, requests):
        self.assertEqual((self.spent(), requests), self.bill())
        self.assertEqual(Decimal(self.account()["held"]), 0)

    def test_plain_calls(self):
        self.open()
        chat = self.openai.chat.completions.create(
            model="gpt-6.1-terra", max_completion_tokens=100, messages=ASK)
        self.assertEqual(chat.choices[0].message.content, "Rain until noon.")
        self.assert_even(1)
        response = self.openai.responses.create(model="gpt-6.1-terra", max_output_tokens=100, input="?")
        self.assertEqual(response.output_text, "Rain until noon.")
        self.assert_even(2)
        message = self.anthropic.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=ASK)
        self.assertEqual(message.content[0].text, "Rain until noon.")
        self.assert_even(3)

    def test_tool_loops(self):
        self.open()
        talk = list(ASK)
        tools = [{"type": "function", "function": FUNCTION}]
        for turn in range(2):
            said = self.openai.chat.completions.create(
                model="gpt-6.1-terra", max_completion_tokens=100, messages=talk, tools=tools
            ).choices[0].message
            talk.append(said)
            for call in said.tool_calls or []:
                self.assertEqual(json.loads(call.function.arguments), {"city": "Ulm"})
                talk.append({"role": "tool", "tool_call_id": call.id, "content": "wet"})
        self.assertEqual(said.content, "Rain until noon.")
        self.assert_even(2)
        talk = list(ASK)
        tools = [{"name": "weather", "input_schema": FUNCTION["parameters"]}]
        for turn in range(2):
            said = self.anthropic.messages.create(
                model="claude-haiku-4-5", max_tokens=100, messages=talk, tools=tools)
            results = [{"type": "tool_result", "tool_use_id": block.id, "content": "wet"}
                       for block in said.content if block.type == "tool_use"]
            talk += [{"role": "assistant", "content": said.content}, {"role": "user", "content": results}]
        self.assertEqual(said.content[0].text, "Rain until noon.")
        self.assert_even(4)

    def test_streams(self):
        self.open()
        chunks = list(self.openai.chat.completions.create(
            model="gpt-6.1-terra", max_completion_tokens=100, messages=ASK, stream=True))
        self.assertTrue(all(chunk.choices for chunk in chunks), "no chunk that was not asked for")
        self.assertEqual("".join(chunk.choices[0].delta.content or "" for chunk in chunks), "Rain until noon.")
        self.assert_even(1)
        *_, last = self.openai.chat.completions.create(
            model="gpt-6.1-terra", max_completion_tokens=100, messages=ASK, stream=True,
            stream_options={"include_usage": True})
        self.assertEqual(last.usage.completion_tokens, 12)
        self.assert_even(2)
        *_, last = self.openai.responses.create(
            model="gpt-6.1-terra", max_output_tokens=100, input="?", stream=True)
        self.assertEqual(last.type, "response.completed")
        self.assert_even(3)
        with self.anthropic.messages.stream(model="claude-haiku-4-5", max_tokens=100, messages=ASK) as stream:
            self.assertEqual("".join(stream.text_stream), "Rain until noon.")
        self.assert_even(4)

    def test_a_refusal_is_the_sdks_own_error_and_is_not_retried(self):
        self.open("--spend", "0.0001")
        with self.assertRaises(openai.APIStatusError) as refused:
            self.openai.chat.completions.create(
                model="gpt-6.1-terra", max_completion_tokens=100, messages=ASK)
        error = refused.exception
        self.assertEqual((error.status_code, error.code, error.type), (402, "budget_exceeded", "insufficient_quota"))
        self.assertEqual(error.body["denied"]["asked_by"], "python/tests")
        self.assertIn("it can never pass unless the limit is raised", str(error))
        with self.assertRaises(anthropic.APIStatusError) as refused:
            self.anthropic.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=ASK)
        error = refused.exception
        self.assertEqual((error.status_code, error.body["error"]["type"]), (402, "billing_error"))
        with self.assertRaises(openai.BadRequestError):
            self.openai.chat.completions.create(model="gpt-99", max_completion_tokens=9, messages=ASK)
        self.assertEqual(self.bill(), (0, 0))

    def test_a_retry_is_a_call_of_its_own(self):
        self.open()
        limited = [{"role": "user", "content": "Slow down."}]
        with self.assertRaises(openai.RateLimitError):
            self.openai.with_options(max_retries=2).chat.completions.create(
                model="gpt-6.1-terra", max_completion_tokens=100, messages=limited)
        self.assert_even(3)  # the provider took nothing
        broken = [{"role": "user", "content": "Break."}]
        with self.assertRaises(anthropic.InternalServerError):
            self.anthropic.with_options(max_retries=1).messages.create(
                model="claude-haiku-4-5", max_tokens=100, messages=broken)
        account = self.account()
        self.assertEqual(self.bill(), (0, 5))
        self.assertGreater(Decimal(account["assumed"]), 0)  # two holds: nobody knows what it took
        self.assertEqual(account["assumed"], account["spent"])

    def test_many_at_once_at_the_edge_of_a_limit(self):
        self.open("--spend", "0.002")

        def call(number):
            try:
                self.openai.chat.completions.create(
                    model="gpt-6.1-terra", max_completion_tokens=100, messages=ASK)
                return 200
            except openai.APIStatusError as error:
                return error.status_code

        with ThreadPoolExecutor(64) as pool:
            statuses = list(pool.map(call, range(64)))
        self.assertEqual(set(statuses), {200, 402})
        self.assert_even(statuses.count(200))
        self.assertLessEqual(Decimal(self.account("")["peak"]), Decimal("0.002"))


if __name__ == "__main__":
    print("openai", openai.__version__, "anthropic", anthropic.__version__, "python", sys.version.split()[0])
    unittest.main()
