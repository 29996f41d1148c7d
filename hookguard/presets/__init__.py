"""Ready presets, one provider a file, and the registry of names."""

from hookguard.presets.adyen import ADYEN
from hookguard.presets.adyen_platform import ADYEN_PLATFORM
from hookguard.presets.airtable import AIRTABLE
from hookguard.presets.alipay import ALIPAY
from hookguard.presets.anthropic import ANTHROPIC
from hookguard.presets.app_store import APP_STORE
from hookguard.presets.asana import ASANA
from hookguard.presets.authorize_net import AUTHORIZE_NET
from hookguard.presets.aws_sns import AWS_SNS
from hookguard.presets.bitbucket import BITBUCKET, BITBUCKET_SERVER
from hookguard.presets.box import BOX
from hookguard.presets.braintree import BRAINTREE
from hookguard.presets.buildkite import BUILDKITE, BUILDKITE_TOKEN
from hookguard.presets.calendly import CALENDLY
from hookguard.presets.cashfree import CASHFREE
from hookguard.presets.chargebee import CHARGEBEE
from hookguard.presets.checkout_com import CHECKOUT_COM
from hookguard.presets.circleci import CIRCLECI
from hookguard.presets.clerk import CLERK
from hookguard.presets.cloudinary import CLOUDINARY
from hookguard.presets.coinbase_cdp import COINBASE_CDP
from hookguard.presets.coinbase_commerce import COINBASE_COMMERCE
from hookguard.presets.contentful import CONTENTFUL
from hookguard.presets.convoy import CONVOY, CONVOY_ADVANCED
from hookguard.presets.dingtalk import DINGTALK
from hookguard.presets.dingtalk_robot import DINGTALK_ROBOT
from hookguard.presets.discord import DISCORD, DISCORD_EVENTS
from hookguard.presets.docusign import DOCUSIGN
from hookguard.presets.dropbox import DROPBOX
from hookguard.presets.elevenlabs import ELEVENLABS
from hookguard.presets.event_grid import EVENT_GRID
from hookguard.presets.figma import FIGMA
from hookguard.presets.flutterwave import FLUTTERWAVE, FLUTTERWAVE_V3
from hookguard.presets.forgejo import FORGEJO
from hookguard.presets.generic import generic_hmac
from hookguard.presets.gitea import GITEA
from hookguard.presets.gitee import GITEE, GITEE_PASSWORD
from hookguard.presets.github import GITHUB
from hookguard.presets.gitlab import GITLAB, GITLAB_TOKEN
from hookguard.presets.gocardless import GOCARDLESS
from hookguard.presets.gogs import GOGS
from hookguard.presets.google_pubsub import GOOGLE_PUBSUB
from hookguard.presets.grafana import GRAFANA
from hookguard.presets.heroku import HEROKU
from hookguard.presets.hookdeck import HOOKDECK
from hookguard.presets.hubspot import HUBSPOT, HUBSPOT_V1, HUBSPOT_V2
from hookguard.presets.increase import INCREASE, INCREASE_OLDER
from hookguard.presets.intercom import INTERCOM
from hookguard.presets.jira import JIRA
from hookguard.presets.klarna import KLARNA
from hookguard.presets.lark import LARK, LARK_TOKEN
from hookguard.presets.lemon_squeezy import LEMON_SQUEEZY
from hookguard.presets.line import LINE
from hookguard.presets.linear import LINEAR
from hookguard.presets.lithic import LITHIC
from hookguard.presets.mailersend import MAILERSEND
from hookguard.presets.mailgun import MAILGUN
from hookguard.presets.mandrill import MANDRILL
from hookguard.presets.mercado_pago import MERCADO_PAGO
from hookguard.presets.messagebird import MESSAGEBIRD
from hookguard.presets.meta import MESSENGER, META, WHATSAPP
from hookguard.presets.microsoft_graph import MICROSOFT_GRAPH
from hookguard.presets.modern_treasury import MODERN_TREASURY
from hookguard.presets.mollie import MOLLIE
from hookguard.presets.monday import MONDAY
from hookguard.presets.netlify import NETLIFY
from hookguard.presets.notion import NOTION
from hookguard.presets.okta import OKTA
from hookguard.presets.openai import OPENAI
from hookguard.presets.paddle import PADDLE
from hookguard.presets.pagerduty import PAGERDUTY
from hookguard.presets.paypal import PAYPAL
from hookguard.presets.paystack import PAYSTACK
from hookguard.presets.paytm import PAYTM
from hookguard.presets.plaid import PLAID, PLAID_SANDBOX
from hookguard.presets.plivo import PLIVO
from hookguard.presets.polar import POLAR
from hookguard.presets.postmark import POSTMARK
from hookguard.presets.pusher import PUSHER
from hookguard.presets.qstash import QSTASH
from hookguard.presets.razorpay import RAZORPAY
from hookguard.presets.recurly import RECURLY
from hookguard.presets.resend import RESEND
from hookguard.presets.sanity import SANITY
from hookguard.presets.sendgrid import SENDGRID
from hookguard.presets.sentry import SENTRY
from hookguard.presets.shopify import SHOPIFY
from hookguard.presets.signed_url import SIGNED_URL
from hookguard.presets.slack import SLACK
from hookguard.presets.square import SQUARE
from hookguard.presets.standard_webhooks import STANDARD_WEBHOOKS, STANDARD_WEBHOOKS_V1A, SVIX, SVIX_V1A, standard_v1a_scheme
from hookguard.presets.stripe import STRIPE
from hookguard.presets.telegram import TELEGRAM
from hookguard.presets.telnyx import TELNYX
from hookguard.presets.travis import TRAVIS
from hookguard.presets.trello import TRELLO
from hookguard.presets.truelayer import TRUELAYER
from hookguard.presets.twilio import TWILIO
from hookguard.presets.twitch import TWITCH
from hookguard.presets.typeform import TYPEFORM
from hookguard.presets.vercel import VERCEL
from hookguard.presets.viber import VIBER
from hookguard.presets.vonage import VONAGE
from hookguard.presets.webflow import WEBFLOW
from hookguard.presets.wechat_pay import WECHAT_PAY
from hookguard.presets.wecom import WECOM
from hookguard.presets.wise import WISE
from hookguard.presets.woocommerce import WOOCOMMERCE
from hookguard.presets.workos import WORKOS
from hookguard.presets.worldpay import WORLDPAY
from hookguard.presets.xendit import XENDIT
from hookguard.presets.zendesk import ZENDESK
from hookguard.presets.zoom import ZOOM
from hookguard.registry import get, names, register

__all__ = [
    "ADYEN",
    "ADYEN_PLATFORM",
    "AIRTABLE",
    "ALIPAY",
    "ANTHROPIC",
    "APP_STORE",
    "ASANA",
    "AUTHORIZE_NET",
    "AWS_SNS",
    "BITBUCKET",
    "BITBUCKET_SERVER",
    "BOX",
    "BRAINTREE",
    "BUILDKITE",
    "BUILDKITE_TOKEN",
    "BUILT_IN",
    "CALENDLY",
    "CASHFREE",
    "CHARGEBEE",
    "CHECKOUT_COM",
    "CIRCLECI",
    "CLERK",
    "CLOUDINARY",
    "COINBASE_CDP",
    "COINBASE_COMMERCE",
    "CONTENTFUL",
    "CONVOY",
    "CONVOY_ADVANCED",
    "DINGTALK",
    "DINGTALK_ROBOT",
    "DISCORD",
    "DISCORD_EVENTS",
    "DOCUSIGN",
    "DROPBOX",
    "ELEVENLABS",
    "EVENT_GRID",
    "FIGMA",
    "FLUTTERWAVE",
    "FLUTTERWAVE_V3",
    "FORGEJO",
    "GITEA",
    "GITEE",
    "GITEE_PASSWORD",
    "GITHUB",
    "GITLAB",
    "GITLAB_TOKEN",
    "GOCARDLESS",
    "GOGS",
    "GOOGLE_PUBSUB",
    "GRAFANA",
    "HEROKU",
    "HOOKDECK",
    "HUBSPOT",
    "HUBSPOT_V1",
    "HUBSPOT_V2",
    "INCREASE",
    "INCREASE_OLDER",
    "INTERCOM",
    "JIRA",
    "KLARNA",
    "LARK",
    "LARK_TOKEN",
    "LEMON_SQUEEZY",
    "LINE",
    "LINEAR",
    "LITHIC",
    "MAILERSEND",
    "MAILGUN",
    "MANDRILL",
    "MERCADO_PAGO",
    "MESSAGEBIRD",
    "MESSENGER",
    "META",
    "MICROSOFT_GRAPH",
    "MODERN_TREASURY",
    "MOLLIE",
    "MONDAY",
    "NETLIFY",
    "NOTION",
    "OKTA",
    "OPENAI",
    "PADDLE",
    "PAGERDUTY",
    "PAYPAL",
    "PAYSTACK",
    "PAYTM",
    "PLAID",
    "PLAID_SANDBOX",
    "PLIVO",
    "POLAR",
    "POSTMARK",
    "PUSHER",
    "QSTASH",
    "RAZORPAY",
    "RECURLY",
    "RESEND",
    "SANITY",
    "SENDGRID",
    "SENTRY",
    "SHOPIFY",
    "SIGNED_URL",
    "SLACK",
    "SQUARE",
    "STANDARD_WEBHOOKS",
    "STANDARD_WEBHOOKS_V1A",
    "STRIPE",
    "SVIX",
    "SVIX_V1A",
    "TELEGRAM",
    "TELNYX",
    "TRAVIS",
    "TRELLO",
    "TRUELAYER",
    "TWILIO",
    "TWITCH",
    "TYPEFORM",
    "VERCEL",
    "VIBER",
    "VONAGE",
    "WEBFLOW",
    "WECHAT_PAY",
    "WECOM",
    "WHATSAPP",
    "WISE",
    "WOOCOMMERCE",
    "WORKOS",
    "WORLDPAY",
    "XENDIT",
    "ZENDESK",
    "ZOOM",
    "generic_hmac",
    "get",
    "names",
    "register",
    "standard_v1a_scheme",
]

#: Every preset that ships.
BUILT_IN = (
    ADYEN,
    ADYEN_PLATFORM,
    AIRTABLE,
    ALIPAY,
    ANTHROPIC,
    APP_STORE,
    ASANA,
    AUTHORIZE_NET,
    AWS_SNS,
    BITBUCKET,
    BITBUCKET_SERVER,
    BOX,
    BRAINTREE,
    BUILDKITE,
    BUILDKITE_TOKEN,
    CALENDLY,
    CASHFREE,
    CHARGEBEE,
    CHECKOUT_COM,
    CIRCLECI,
    CLERK,
    CLOUDINARY,
    COINBASE_CDP,
    COINBASE_COMMERCE,
    CONTENTFUL,
    CONVOY,
    CONVOY_ADVANCED,
    DINGTALK,
    DINGTALK_ROBOT,
    DISCORD,
    DISCORD_EVENTS,
    DOCUSIGN,
    DROPBOX,
    ELEVENLABS,
    EVENT_GRID,
    FIGMA,
    FLUTTERWAVE,
    FLUTTERWAVE_V3,
    FORGEJO,
    GITEA,
    GITEE,
    GITEE_PASSWORD,
    GITHUB,
    GITLAB,
    GITLAB_TOKEN,
    GOCARDLESS,
    GOGS,
    GOOGLE_PUBSUB,
    GRAFANA,
    HEROKU,
    HOOKDECK,
    HUBSPOT,
    HUBSPOT_V1,
    HUBSPOT_V2,
    INCREASE,
    INCREASE_OLDER,
    INTERCOM,
    JIRA,
    KLARNA,
    LARK,
    LARK_TOKEN,
    LEMON_SQUEEZY,
    LINE,
    LINEAR,
    LITHIC,
    MAILERSEND,
    MAILGUN,
    MANDRILL,
    MERCADO_PAGO,
    MESSAGEBIRD,
    MESSENGER,
    META,
    MICROSOFT_GRAPH,
    MODERN_TREASURY,
    MOLLIE,
    MONDAY,
    NETLIFY,
    NOTION,
    OKTA,
    OPENAI,
    PADDLE,
    PAGERDUTY,
    PAYPAL,
    PAYSTACK,
    PAYTM,
    PLAID,
    PLAID_SANDBOX,
    PLIVO,
    POLAR,
    POSTMARK,
    PUSHER,
    QSTASH,
    RAZORPAY,
    RECURLY,
    RESEND,
    SANITY,
    SENDGRID,
    SENTRY,
    SHOPIFY,
    SIGNED_URL,
    SLACK,
    SQUARE,
    STANDARD_WEBHOOKS,
    STANDARD_WEBHOOKS_V1A,
    STRIPE,
    SVIX,
    SVIX_V1A,
    TELEGRAM,
    TELNYX,
    TRAVIS,
    TRELLO,
    TRUELAYER,
    TWILIO,
    TWITCH,
    TYPEFORM,
    VERCEL,
    VIBER,
    VONAGE,
    WEBFLOW,
    WECHAT_PAY,
    WECOM,
    WHATSAPP,
    WISE,
    WOOCOMMERCE,
    WORKOS,
    WORLDPAY,
    XENDIT,
    ZENDESK,
    ZOOM,
)

for _preset in BUILT_IN:
    register(_preset)
